#include "node/provision/run_status.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

namespace gpunode::provision {
namespace {

constexpr unsigned kAMoment = 2;
constexpr unsigned kMakingSeconds = 15;
constexpr unsigned kPackageSeconds = 60;
constexpr unsigned kProgramSeconds = 30;
constexpr unsigned kCopySeconds = 300;
constexpr unsigned kBuildSeconds = 240;
constexpr std::uint64_t kMinute = 60;
constexpr std::uint64_t kHour = 3600;
constexpr std::uint64_t kPercent = 100;

std::string bytes_words(const RunStatus::Bytes& bytes) {
  constexpr std::uint64_t kGiB = std::uint64_t{1} << 30U;
  constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;
  const bool is_large = bytes.total >= kGiB;
  const auto unit = static_cast<double>(is_large ? kGiB : kMiB);
  return fmt::format(
      "{:.1f} of {:.1f} {} ({} %)", static_cast<double>(bytes.done) / unit,
      static_cast<double>(bytes.total) / unit, is_large ? "GiB" : "MiB",
      bytes.done * kPercent / std::max<std::uint64_t>(bytes.total, 1));
}

}  // namespace

unsigned usual_seconds(const Action& action) {
  if (std::holds_alternative<InstallPackages>(action) ||
      std::holds_alternative<InstallSet>(action) ||
      std::holds_alternative<RemovePackages>(action)) {
    return kPackageSeconds;
  }
  if (const auto* tree = std::get_if<MigrateTree>(&action)) {
    return tree->discard ? kAMoment : kCopySeconds;
  }
  if (std::holds_alternative<BuildModule>(action)) return kBuildSeconds;
  if (std::holds_alternative<MakeFilesystem>(action)) return kMakingSeconds;
  if (std::holds_alternative<RunProgram>(action)) return kProgramSeconds;
  if (std::holds_alternative<SetUnit>(action) ||
      std::holds_alternative<SetModuleStream>(action) ||
      std::holds_alternative<FetchKey>(action) ||
      std::holds_alternative<HoldPackages>(action)) {
    return kAMoment;
  }
  return 0;
}

std::string elapsed_words(Duration time) {
  const auto all = static_cast<std::uint64_t>(std::max<std::int64_t>(
      0, std::chrono::duration_cast<std::chrono::seconds>(time).count()));
  if (all < kMinute) return fmt::format("{} s", all);
  if (all < kHour)
    return fmt::format("{} min {} s", all / kMinute, all % kMinute);
  return fmt::format("{} h {} min", all / kHour, all % kHour / kMinute);
}

void RunStatus::start(std::string words, unsigned usual) {
  words_ = std::move(words);
  usual_ = usual;
  start_ = clock_.now();
  is_running_ = true;
}

void RunStatus::end() {
  is_running_ = false;
  copied_ = nullptr;
}

void RunStatus::copy_started(std::uint64_t total,
                             std::function<std::uint64_t()> copied) {
  total_ = total;
  copied_ = std::move(copied);
}

std::optional<RunStatus::Bytes> RunStatus::bytes() const {
  if (!copied_) return std::nullopt;
  return Bytes{std::min(copied_(), total_), total_};
}

std::string RunStatus::line() const {
  std::string text = elapsed_words(elapsed());
  if (usual_ != 0) {
    text += fmt::format(" (usually {})",
                        elapsed_words(std::chrono::seconds(usual_)));
  }
  if (const auto copied = bytes()) text += ", " + bytes_words(*copied);
  return fmt::format("{}: {}", text, words_);
}

}  // namespace gpunode::provision
