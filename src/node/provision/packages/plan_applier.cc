#include "node/provision/packages/plan_applier.h"

#include <algorithm>
#include <utility>

namespace gpunode::packages {
namespace {

std::string in_words(const PackageChange& change) {
  std::string words = std::string(name_of(change.kind)) + " " + change.name;
  if (!change.new_version.empty()) return words + " " + change.new_version;
  return words + " " + change.old_version;
}

/// What differs between two lists of changes, for people; a few of it.
std::string difference(const std::vector<PackageChange>& planned,
                       const std::vector<PackageChange>& now) {
  std::string text;
  int count = 0;
  const auto add = [&](const char* what, const PackageChange& change) {
    if (++count > 5) return;
    if (!text.empty()) text += ", ";
    text += what + in_words(change);
  };
  const auto lacks = [](const std::vector<PackageChange>& all,
                        const PackageChange& one) {
    return std::none_of(all.begin(), all.end(),
                        [&one](const PackageChange& other) {
                          return are_same_changes({one}, {other});
                        });
  };
  for (const PackageChange& change : planned) {
    if (lacks(now, change)) add("no longer ", change);
  }
  for (const PackageChange& change : now) {
    if (lacks(planned, change)) add("now also ", change);
  }
  return text;
}

/// The kinds as planned; the database does not know which version is newer.
void take_kinds(const std::vector<PackageChange>& planned,
                std::vector<PackageChange>& changed) {
  for (PackageChange& change : changed) {
    for (const PackageChange& plan : planned) {
      if (!are_same_changes({plan}, {change})) continue;
      change.kind = plan.kind;
      change.repository = plan.repository;
    }
  }
}

/// What `plan` promised and `after` does not show.
std::vector<PackageChange> not_done(const TransactionPlan& plan,
                                    const Observation& after) {
  std::vector<PackageChange> missing;
  for (const PackageChange& change : plan.changes) {
    const bool removes = change.new_version.empty();
    const std::string& version =
        removes ? change.old_version : change.new_version;
    const bool is_there = std::any_of(
        after.installed.begin(), after.installed.end(),
        [&](const Package& package) {
          return package.name == change.name && package.version == version;
        });
    if (is_there == removes) missing.push_back(change);
  }
  return missing;
}

}  // namespace

Transaction pinned(const TransactionPlan& plan) {
  Transaction exact;
  exact.may_change_held = plan.request.may_change_held;
  for (const PackageChange& change : plan.changes) {
    if (change.new_version.empty()) {
      exact.remove.push_back({change.name, change.old_version});
    } else {
      exact.install.push_back({change.name, change.new_version});
    }
    exact.may_downgrade |= change.kind == ChangeKind::kDowngrade;
  }
  return exact;
}

const Wanted* left_out(const Transaction& wanted,
                       const std::vector<PackageChange>& changes,
                       const Observation& before) {
  for (const Wanted& package : wanted.install) {
    const auto is_new = [&package](const PackageChange& change) {
      return change.name == package.name &&
             (package.version.empty() || change.new_version == package.version);
    };
    const auto is_there = [&package](const Package& installed) {
      return installed.name == package.name &&
             (package.version.empty() || installed.version == package.version);
    };
    if (std::none_of(changes.begin(), changes.end(), is_new) &&
        std::none_of(before.installed.begin(), before.installed.end(),
                     is_there)) {
      return &package;
    }
  }
  return nullptr;
}

std::vector<std::string> new_dependencies(const TransactionPlan& plan,
                                          const Observation& before) {
  std::vector<std::string> names;
  for (const PackageChange& change : plan.changes) {
    const auto& asked = plan.request.install;
    const bool was_asked = std::any_of(
        asked.begin(), asked.end(),
        [&change](const Wanted& want) { return want.name == change.name; });
    if (change.new_version.empty() || was_asked) continue;
    if (before.find(change.name) == nullptr) names.push_back(change.name);
  }
  return names;
}

Applied apply_plan(const TransactionPlan& plan, const PlanSteps& steps) {
  Applied applied;
  if (plan.is_empty()) return applied;
  auto before = steps.observe();
  if (!before) {
    applied.outcome = std::move(before).error();
    return applied;
  }
  const Transaction exact = pinned(plan);
  auto now = steps.resolve(exact);
  if (!now) {
    applied.outcome = std::move(now).error();
    return applied;
  }
  if (!are_same_changes(plan.changes, *now)) {
    applied.outcome = Error(
        ErrorCode::kUnavailable,
        "change packages: the plan no longer holds: " +
            difference(plan.changes, *now) +
            "; next: plan again, packages or repositories have changed since");
    return applied;
  }
  applied.outcome = steps.run(exact);
  auto after = steps.observe();
  if (!after) {
    if (applied.outcome) applied.outcome = std::move(after).error();
    return applied;
  }
  applied.changed = changes_between(*before, *after);
  take_kinds(plan.changes, applied.changed);
  if (!applied.outcome) return applied;
  if (const auto missing = not_done(plan, *after); !missing.empty()) {
    applied.outcome =
        Error(ErrorCode::kInternal,
              "change packages: the tool ended well, but did not " +
                  in_words(missing.front()) +
                  "; next: run the command by hand to see all of its output");
    return applied;
  }
  if (steps.tidy) applied.outcome = steps.tidy(*before);
  return applied;
}

}  // namespace gpunode::packages
