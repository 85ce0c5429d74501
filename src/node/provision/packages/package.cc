#include "node/provision/packages/package.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <string_view>
#include <tuple>
#include <utility>

#include "base/core/ascii.h"

namespace gpunode::packages {
namespace {

/// Packages of one name and architecture; more than one is a kernel or the
/// like, installed side by side.
using ByName =
    std::map<std::pair<std::string, std::string>, std::vector<std::string>>;

ByName by_name(const Observation& observation) {
  ByName result;
  for (const Package& package : observation.installed) {
    result[{package.name, package.architecture}].push_back(package.version);
  }
  for (auto& [key, versions] : result) {
    std::sort(versions.begin(), versions.end());
  }
  return result;
}

std::vector<std::string> without(const std::vector<std::string>& all,
                                 const std::vector<std::string>& some) {
  std::vector<std::string> result;
  std::set_difference(all.begin(), all.end(), some.begin(), some.end(),
                      std::back_inserter(result));
  return result;
}

/// A word that no tool takes for an option, a pattern or two words. Debian
/// policy 5.6.1 and 5.6.12; rpm's are a subset but for upper case and "_".
Result<void> check_word(const std::string& what, const std::string& word,
                        std::string_view marks) {
  const bool is_good =
      !word.empty() && word.size() <= 256 && is_alphanumeric(word[0]) &&
      std::all_of(word.begin(), word.end(), [marks](char c) {
        return is_alphanumeric(c) || marks.find(c) != std::string_view::npos;
      });
  if (is_good) return {};
  return Error(ErrorCode::kInvalidArgument,
               what + " \"" + word + "\": not a name that a package can have");
}

}  // namespace

const char* name_of(Tool tool) {
  switch (tool) {
    case Tool::kApt:
      return "apt";
    case Tool::kDnf:
      return "dnf";
    case Tool::kZypper:
      return "zypper";
  }
  return "";
}

const char* name_of(ChangeKind kind) {
  switch (kind) {
    case ChangeKind::kInstall:
      return "install";
    case ChangeKind::kUpgrade:
      return "upgrade";
    case ChangeKind::kDowngrade:
      return "downgrade";
    case ChangeKind::kReinstall:
      return "reinstall";
    case ChangeKind::kRemove:
      return "remove";
  }
  return "";
}

const Package* Observation::find(const std::string& name) const {
  const auto found = std::find_if(
      installed.begin(), installed.end(),
      [&name](const Package& package) { return package.name == name; });
  return found == installed.end() ? nullptr : &*found;
}

bool TransactionPlan::removes_anything() const {
  return std::any_of(changes.begin(), changes.end(),
                     [](const PackageChange& change) {
                       return change.kind == ChangeKind::kRemove;
                     });
}

Transaction inverse_of(const std::vector<PackageChange>& changes) {
  Transaction inverse;
  for (const PackageChange& change : changes) {
    if (change.old_version.empty()) {
      inverse.remove.push_back({change.name, change.new_version});
    } else {
      inverse.install.push_back({change.name, change.old_version});
      inverse.may_downgrade |= !change.new_version.empty();
    }
  }
  return inverse;
}

bool are_same_changes(const std::vector<PackageChange>& a,
                      const std::vector<PackageChange>& b) {
  using Key = std::tuple<std::string, std::string, std::string>;
  const auto keys = [](const std::vector<PackageChange>& changes) {
    std::vector<Key> result;
    result.reserve(changes.size());
    for (const PackageChange& change : changes) {
      result.emplace_back(change.name, change.old_version, change.new_version);
    }
    std::sort(result.begin(), result.end());
    return result;
  };
  return keys(a) == keys(b);
}

Result<void> check_names(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    TRY_VOID(check_word("package name", name, "._+:-"));
  }
  return {};
}

Result<void> check_words(const Transaction& wanted) {
  for (const auto* list : {&wanted.install, &wanted.remove}) {
    for (const Wanted& package : *list) {
      TRY_VOID(check_word("package name", package.name, "._+:-"));
      if (package.version.empty()) continue;
      TRY_VOID(
          check_word("version of " + package.name, package.version, "._+:~^-"));
    }
  }
  return {};
}

std::vector<PackageChange> changes_between(const Observation& before,
                                           const Observation& after) {
  const ByName old_ones = by_name(before);
  ByName all = by_name(after);
  const ByName new_ones = all;
  for (const auto& [key, versions] : old_ones) all.try_emplace(key);
  std::vector<PackageChange> changes;
  for (const auto& [key, unused] : all) {
    const auto was = old_ones.find(key);
    const auto is = new_ones.find(key);
    const std::vector<std::string> none;
    const auto& old_versions = was == old_ones.end() ? none : was->second;
    const auto& new_versions = is == new_ones.end() ? none : is->second;
    auto gone = without(old_versions, new_versions);
    auto come = without(new_versions, old_versions);
    PackageChange change;
    std::tie(change.name, change.architecture) = key;
    // Which of two versions is newer is the tool's knowledge, not ours.
    while (!gone.empty() || !come.empty()) {
      change.old_version = gone.empty() ? "" : gone.back();
      change.new_version = come.empty() ? "" : come.back();
      if (!gone.empty()) gone.pop_back();
      if (!come.empty()) come.pop_back();
      change.kind = change.old_version.empty()   ? ChangeKind::kInstall
                    : change.new_version.empty() ? ChangeKind::kRemove
                                                 : ChangeKind::kUpgrade;
      changes.push_back(change);
    }
  }
  return changes;
}

}  // namespace gpunode::packages
