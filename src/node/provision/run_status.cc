#include "node/provision/run_status.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "base/host/blank_proof.h"
#include "base/host/first_look.h"

namespace gpunode::provision {
namespace {

constexpr unsigned kAMoment = 2;
/// mkfs and what starts it; then a log, tables and a TRIM by the disks' size.
constexpr unsigned kMakingSeconds = 5;
constexpr std::uint64_t kMadeBytesPerSecond = std::uint64_t{200} << 30U;
/// Of samples, whose number hardly depends on the size; of whole disks at what
/// a local NVMe disk reads.
constexpr unsigned kSamplingSeconds = 2;
constexpr std::uint64_t kReadBytesPerSecond = std::uint64_t{2} << 30U;
/// Small files among large ones.
constexpr std::uint64_t kCopiedBytesPerSecond = std::uint64_t{200} << 20U;
constexpr unsigned kPackageSeconds = 60;
constexpr unsigned kProgramSeconds = 30;
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

unsigned seconds_of(std::uint64_t bytes, std::uint64_t bytes_per_second) {
  return static_cast<unsigned>(
      std::min<std::uint64_t>(bytes / bytes_per_second, UINT32_MAX / 2));
}

/// The proofs of its disks, which are made together, and mkfs.
unsigned making_seconds(const MakeFilesystem& action) {
  std::uint64_t all = 0;
  std::uint64_t largest = 0;
  for (const DiskIdentity& disk : action.disks) {
    all += disk.size_bytes;
    largest = std::max(largest, disk.size_bytes);
  }
  const std::string first = action.proof.substr(0, action.proof.find('\n'));
  const host::BlankDepth depth =
      host::promised_by(first).value_or(host::depth_of(first));
  return kMakingSeconds + seconds_of(all, kMadeBytesPerSecond) +
         (depth == host::BlankDepth::kFull
              ? seconds_of(largest, kReadBytesPerSecond)
              : kSamplingSeconds);
}

}  // namespace

unsigned usual_seconds(const Action& action) {
  if (std::holds_alternative<InstallPackages>(action) ||
      std::holds_alternative<InstallSet>(action) ||
      std::holds_alternative<RemovePackages>(action)) {
    return kPackageSeconds;
  }
  if (const auto* tree = std::get_if<MigrateTree>(&action)) {
    return tree->discard ? kAMoment : 0;
  }
  if (std::holds_alternative<BuildModule>(action)) return kBuildSeconds;
  if (const auto* make = std::get_if<MakeFilesystem>(&action)) {
    return making_seconds(*make);
  }
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
  copy_start_ = clock_.now();
  if (usual_ == 0) {
    usual_ = kAMoment + seconds_of(total, kCopiedBytesPerSecond);
  }
}

std::optional<Duration> RunStatus::left() const {
  constexpr std::chrono::seconds kLeast{5};
  constexpr std::uint64_t kLeastParts = 100;
  const auto copied = bytes();
  const Duration time = clock_.now() - copy_start_;
  if (!copied || time < kLeast || copied->done < copied->total / kLeastParts ||
      copied->done == 0) {
    return std::nullopt;
  }
  const double rest = static_cast<double>(copied->total - copied->done) /
                      static_cast<double>(copied->done);
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(time) * rest);
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
  if (const auto rest = left()) {
    text += fmt::format(", about {} left", elapsed_words(*rest));
  }
  return fmt::format("{}: {}", text, words_);
}

}  // namespace gpunode::provision
