// PackageActions' further half: sets in one version, and streams of modules.
#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "node/provision/action_json.h"
#include "node/provision/package_actions.h"
#include "node/provision/packages/package_set.h"
#include "node/provision/packages/rpm_database.h"

namespace gpunode::provision {
namespace {

using packages::ChangeKind;
using packages::Observation;
using packages::Transaction;
using packages::TransactionPlan;
using packages::Wanted;

packages::TransactionPolicy policy_of(const InstallSet& action) {
  return {.may_remove = action.family, .may_downgrade = action.family};
}

/// Those without "=version": theirs is to be found.
std::vector<std::string> open_names(const InstallSet& action) {
  std::vector<std::string> names;
  for (const std::string& words : action.packages) {
    if (words.find('=') == std::string::npos) names.push_back(words);
  }
  return names;
}

/// What comes in a version that is said, what comes in any, what goes.
Transaction settled_part(const InstallSet& action, const Observation& now) {
  Transaction wanted;
  wanted.may_downgrade = true;
  for (const std::string& words : action.packages) {
    const std::size_t equals = words.find('=');
    if (equals == std::string::npos) continue;
    wanted.install.push_back(
        {words.substr(0, equals), words.substr(equals + 1)});
  }
  for (const std::string& name : action.others) {
    if (now.find(name) == nullptr) wanted.install.push_back({name});
  }
  for (const std::string& name : action.removed) {
    if (now.find(name) != nullptr) wanted.remove.push_back({name});
  }
  return wanted;
}

}  // namespace

Result<TransactionPlan> PackageActions::resolve(const InstallSet& action) {
  TRY(auto* tool, manager());
  TRY(const Observation now, tool->observe({}));
  if (!now.troubles.empty()) {
    return Error(
        ErrorCode::kUnavailable,
        fmt::format("packages are half installed: {}; mend it with "
                    "`{}`, then apply again",
                    now.troubles.front().what, now.troubles.front().remedy));
  }
  Transaction wanted = settled_part(action, now);
  const std::vector<std::string> names = open_names(action);
  if (!names.empty()) {
    const auto choose = [&]() -> Result<std::vector<Wanted>> {
      TRY(const auto candidates, tool->candidates(names));
      return packages::choose_set(candidates, names, action.version,
                                  action.from);
    };
    const auto fetch = [&]() -> Result<void> {
      indexes_ = Indexes::kFresh;
      return tool->refresh();
    };
    // A repository of others that fails is no reason to stop.
    Result<void> fetched;
    if (indexes_ == Indexes::kStale) fetched = fetch();
    auto chosen = choose();
    if (!chosen && indexes_ == Indexes::kAsFound) {
      fetched = fetch();
      chosen = choose();
    }
    if (!chosen && !fetched) return std::move(fetched).error();
    if (!chosen) return std::move(chosen).error();
    wanted.install.insert(wanted.install.begin(), chosen->begin(),
                          chosen->end());
  }
  TRY(TransactionPlan plan, resolve(wanted));
  TRY_VOID(packages::check_transaction(plan, policy_of(action)));
  return plan;
}

Result<Inverse> PackageActions::prepare(const InstallSet& action) {
  TRY(TransactionPlan plan, resolve(action));
  InstallSet back;
  back.family = action.family;
  for (const packages::PackageChange& change : plan.changes) {
    if (change.kind == ChangeKind::kInstall) {
      back.removed.push_back(change.name);
    } else if (change.kind != ChangeKind::kReinstall) {
      back.packages.push_back(
          fmt::format("{}={}", change.name, change.old_version));
    }
  }
  prepared_sets_.insert_or_assign(to_json(action), std::move(plan));
  if (back.packages.empty() && back.removed.empty()) return Inverse{};
  if (back.packages.empty()) {
    return Inverse::of(RemovePackages{std::move(back.removed)},
                       Undo::kCompensating);
  }
  return Inverse::of(std::move(back), Undo::kCompensating);
}

Result<void> PackageActions::perform(const InstallSet& action) {
  if (const auto known = prepared_sets_.extract(to_json(action))) {
    return carry_out(known.mapped(), policy_of(action));
  }
  TRY(const TransactionPlan plan, resolve(action));
  return carry_out(plan, policy_of(action));
}

Result<packages::Dnf*> PackageActions::dnf() {
  TRY(auto* tool, manager());
  auto* dnf = dynamic_cast<packages::Dnf*>(tool);
  if (dnf == nullptr) {
    return Error(ErrorCode::kUnsupported,
                 "only dnf has modules with streams, and this host's package "
                 "manager is another");
  }
  return dnf;
}

Result<Inverse> PackageActions::prepare(const SetModuleStream& action) {
  TRY(const auto* tool, dnf());
  TRY(std::string before, tool->enabled_stream(action.module));
  if (before == action.stream) return Inverse{};
  return Inverse::of(SetModuleStream{action.module, std::move(before)});
}

Result<void> PackageActions::perform(const SetModuleStream& action) {
  TRY(auto* tool, dnf());
  // Other packages are to be had by then.
  prepared_.clear();
  prepared_sets_.clear();
  if (!action.stream.empty()) {
    return tool->enable_stream(action.module, action.stream);
  }
  TRY(const std::string before, tool->enabled_stream(action.module));
  if (before.empty()) return {};
  return tool->reset_stream(action.module);
}

Result<void> PackageActions::trust(const std::string& path) {
  TRY(auto* tool, manager());
  // dnf takes keys out of repository files, and apt names them in its own.
  if (tool->tool() != packages::Tool::kZypper) return {};
  return tool->trust(host_.outside(path));
}

Result<std::vector<std::string>> PackageActions::untrusted(
    const std::vector<std::string>& fingerprints) {
  TRY(const auto* tool, manager());
  std::vector<std::string> unknown;
  if (tool->tool() == packages::Tool::kApt) return unknown;
  packages::ToolRunner rpm(tool->tool(), runner_, settings_, {}, host_);
  TRY(const auto known, packages::known_rpm_keys(rpm, fingerprints));
  std::ranges::copy_if(fingerprints, std::back_inserter(unknown),
                       [&](const std::string& one) {
                         return std::ranges::find(known, one) == known.end();
                       });
  return unknown;
}

Result<void> PackageActions::perform(const DistrustKeys& action) {
  TRY(const auto* tool, manager());
  if (tool->tool() == packages::Tool::kApt) return {};
  packages::ToolRunner rpm(tool->tool(), runner_, settings_, {}, host_);
  return packages::erase_rpm_keys(rpm, action.fingerprints);
}

}  // namespace gpunode::provision
