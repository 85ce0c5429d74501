#include "node/provision/package_forecast_text.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace gpunode::provision {
namespace {

using packages::ChangeKind;
using packages::PackageChange;
using packages::TransactionPlan;

/// A desktop's worth of dependencies is not read by anyone; what changes or
/// goes is told in full.
constexpr std::size_t kToldOfCompanions = 12;

std::string size_words(std::uint64_t bytes) {
  constexpr double kKiB = 1024;
  constexpr double kMiB = kKiB * kKiB;
  constexpr double kGiB = kMiB * kKiB;
  const auto size = static_cast<double>(bytes);
  if (size >= kGiB) return fmt::format("{:.1f} GiB", size / kGiB);
  if (size >= kMiB) return fmt::format("{:.1f} MiB", size / kMiB);
  return fmt::format("{} KiB", (bytes + 1023) / 1024);
}

std::string disk_words(std::int64_t bytes) {
  // Of the smallest, too, whose negative there isn't.
  const auto size = static_cast<std::uint64_t>(bytes);
  if (bytes < 0) return size_words(std::uint64_t{0} - size) + " freed on disk";
  return size_words(size) + " on disk";
}

bool is_asked_for(const TransactionPlan& plan, const PackageChange& change) {
  // apt names what is of a foreign architecture "libc6:i386".
  const std::string bare = change.name.substr(0, change.name.find(':'));
  return std::ranges::any_of(
      plan.request.install,
      [&](const packages::Wanted& one) { return one.name == bare; });
}

std::string change_words(const PackageChange& change) {
  switch (change.kind) {
    case ChangeKind::kInstall:
      return change.name + " " + change.new_version;
    case ChangeKind::kRemove:
      return change.name + " " + change.old_version;
    case ChangeKind::kReinstall:
      return fmt::format("{} {} again", change.name, change.new_version);
    case ChangeKind::kUpgrade:
    case ChangeKind::kDowngrade:
      break;
  }
  return fmt::format("{} {} to {}", change.name, change.old_version,
                     change.new_version);
}

void add(std::vector<std::string>& lines, const char* title,
         std::vector<std::string> words,
         std::size_t told = static_cast<std::size_t>(-1)) {
  if (words.empty()) return;
  if (words.size() > told) {
    const std::size_t more = words.size() - told;
    words.resize(told);
    words.push_back(fmt::format("and {} more", more));
  }
  lines.push_back(fmt::format("{}: {}", title, fmt::join(words, ", ")));
}

}  // namespace

std::string forecast_summary(const TransactionPlan& transaction) {
  if (transaction.is_empty()) return "nothing to do, all of it is there";
  const auto coming = std::ranges::count_if(
      transaction.changes, [](const PackageChange& change) {
        return change.kind != ChangeKind::kRemove;
      });
  std::string words =
      fmt::format("{} package{}", coming, coming == 1 ? "" : "s");
  if (transaction.download_bytes) {
    words += ", " + size_words(*transaction.download_bytes) + " to fetch";
  }
  if (transaction.installed_bytes) {
    words += ", " + disk_words(*transaction.installed_bytes);
  }
  if (!transaction.download_bytes || !transaction.installed_bytes) {
    words += ", the rest of its sizes is not told";
  }
  return words;
}

std::vector<std::string> forecast_details(const TransactionPlan& transaction) {
  std::vector<std::string> along;
  std::vector<std::string> changed;
  std::vector<std::string> older;
  std::vector<std::string> removed;
  for (const PackageChange& change : transaction.changes) {
    const std::string words = change_words(change);
    switch (change.kind) {
      case ChangeKind::kInstall:
        if (!is_asked_for(transaction, change)) along.push_back(words);
        break;
      case ChangeKind::kUpgrade:
      case ChangeKind::kReinstall:
        changed.push_back(words);
        break;
      case ChangeKind::kDowngrade:
        older.push_back(words);
        break;
      case ChangeKind::kRemove:
        removed.push_back(words);
        break;
    }
  }
  std::vector<std::string> lines;
  add(lines, "comes along", std::move(along), kToldOfCompanions);
  add(lines, "changes", std::move(changed));
  add(lines, "becomes older", std::move(older));
  add(lines, "removes", std::move(removed));
  add(lines, "finishes what was half installed", transaction.finishes);
  return lines;
}

std::vector<std::string> forecast_gaps(const PackageForecasts& forecasts) {
  // In the order of the plan, a Step once.
  std::vector<std::pair<std::string, std::vector<std::string>>> reasons;
  for (const PackageForecast& one : forecasts.all) {
    if (one.transaction) continue;
    const std::string& why = one.transaction.error().message();
    auto found = std::ranges::find(
        reasons, why, [](const auto& reason) { return reason.first; });
    if (found == reasons.end()) {
      found = reasons.insert(reasons.end(), {why, {}});
    }
    auto& steps = found->second;
    if (std::ranges::find(steps, one.step) == steps.end()) {
      steps.push_back(one.step);
    }
  }
  std::vector<std::string> lines;
  for (const auto& [why, steps] : reasons) {
    lines.push_back(fmt::format("sizes are not known ({}): {}",
                                fmt::join(steps, ", "), why));
  }
  return lines;
}

}  // namespace gpunode::provision
