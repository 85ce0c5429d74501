#include "node/provision/package_actions.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "node/provision/packages/transaction_policy.h"
#include "node/provision/steps/kubernetes/node_identity.h"

namespace gpunode::provision {
namespace {

using packages::Tool;
using packages::Transaction;
using packages::TransactionPlan;
using packages::Wanted;

/// "name=version" or a name alone.
Wanted wanted_of(const std::string& words) {
  const std::size_t equals = words.find('=');
  if (equals == std::string::npos) return {words};
  return {words.substr(0, equals), words.substr(equals + 1)};
}

std::vector<std::string> names_of(const std::vector<std::string>& packages) {
  std::vector<std::string> names;
  for (const std::string& words : packages) {
    names.push_back(wanted_of(words).name);
  }
  return names;
}

/// Whether a hold keeps one of the installed versions. Only dnf's name one.
bool is_current(const packages::Hold& hold, const packages::Observation& now) {
  if (hold.entry == hold.name) return true;
  return std::ranges::any_of(
      now.installed, [&](const packages::Package& package) {
        return package.name == hold.name &&
               hold.entry.find(package.version) != std::string::npos;
      });
}

Error half_configured(const std::vector<packages::Trouble>& troubles) {
  return {ErrorCode::kUnavailable,
          fmt::format("packages are half installed: {}; mend it with `{}`, "
                      "then apply again",
                      troubles.front().what, troubles.front().remedy)};
}

}  // namespace

packages::Settings package_settings(const NodeSpec& spec) {
  packages::Settings settings;
  settings.proxy = {spec.proxy.http, spec.proxy.https, spec.proxy.none};
  if (!spec.bundle.empty()) {
    settings.only_repository = packages::kBundleRepository;
  }
  return settings;
}

Result<Tool> package_tool(const facts::OsRelease& os) {
  using distribution::Manager;
  const auto manager = os.package_manager();
  if (!manager) {
    return Error(
        ErrorCode::kUnsupported,
        fmt::format("no package manager is known for {}", os.pretty_name));
  }
  switch (*manager) {
    case Manager::kApt:
      return Tool::kApt;
    case Manager::kZypper:
      return Tool::kZypper;
    case Manager::kDnf:
    case Manager::kDnf5:
    case Manager::kYum:
      break;
  }
  return Tool::kDnf;
}

Result<packages::PackageManager*> PackageActions::manager() {
  if (!manager_) {
    TRY(const std::string text, host_.read_file("/etc/os-release"));
    TRY(const facts::OsRelease os, facts::parse_os_release(text));
    TRY(const Tool tool, package_tool(os));
    // Of another root the tools are this machine's.
    host::HostRoot tools = settings_.root == "/" ? host_ : host::HostRoot();
    manager_ = packages::make_package_manager(tool, runner_, settings_, {},
                                              std::move(tools));
  }
  return manager_.get();
}

/// No other repository mends what else may be wrong: a lock, a signature.
bool is_missing(const Result<TransactionPlan>& plan) {
  return !plan && (plan.error().code() == ErrorCode::kNotFound ||
                   plan.error().code() == ErrorCode::kUnsupported);
}

/// A bare host may never have fetched an index, or one of long ago: what isn't
/// found in it, or can't be had by it, is asked for once more with a new one.
/// A repository of others that fails is no reason to stop where what is wanted
/// can be had without it.
Result<TransactionPlan> PackageActions::resolve_by_manager(
    const Transaction& wanted) {
  TRY(auto* tool, manager());
  // What goes needs no repository: an undo works without the network.
  if (wanted.install.empty()) return tool->simulate(wanted);
  Result<void> fetched;
  const auto fetch = [&] {
    fetched = tool->refresh();
    indexes_ = Indexes::kFresh;
  };
  if (indexes_ == Indexes::kStale) fetch();
  auto plan = tool->simulate(wanted);
  if (is_missing(plan) && indexes_ == Indexes::kAsFound) {
    fetch();
    plan = tool->simulate(wanted);
  }
  if (!plan && !fetched) return std::move(fetched).error();
  return plan;
}

Result<TransactionPlan> PackageActions::resolve(const Transaction& wanted) {
  auto plan = resolve_by_manager(wanted);
  if (!is_missing(plan) || wanted.install.empty() || !asks_others_ ||
      settings_.only_repository.empty()) {
    return plan;
  }
  const std::string why = plan.error().message();
  settings_.only_repository.clear();
  manager_.reset();
  repositories_changed();
  plan = resolve_by_manager(wanted);
  if (plan) return plan;
  return Error(plan.error().code(),
               fmt::format("the bundle of the file has it not ({}), and from "
                           "the host's other repositories: {}",
                           why, plan.error().message()));
}

Result<Inverse> PackageActions::prepare(const InstallPackages& action) {
  TRY(auto* tool, manager());
  TRY(const packages::Observation before,
      tool->observe(names_of(action.packages)));
  if (!before.troubles.empty()) return half_configured(before.troubles);
  Transaction wanted;
  for (const std::string& words : action.packages) {
    wanted.install.push_back(wanted_of(words));
  }
  TRY(TransactionPlan plan, resolve(wanted));
  TRY_VOID(packages::check_transaction(plan, {}));
  RemovePackages back;
  for (const packages::PackageChange& change : plan.changes) {
    if (change.kind == packages::ChangeKind::kInstall) {
      back.packages.push_back(change.name);
    }
  }
  prepared_.insert_or_assign(action.packages, std::move(plan));
  if (back.packages.empty()) return Inverse{};
  return Inverse::of(std::move(back), Undo::kCompensating);
}

Result<Inverse> PackageActions::prepare(const RemovePackages& action) {
  TRY(auto* tool, manager());
  TRY(const packages::Observation before, tool->observe(action.packages));
  InstallPackages back;
  for (const packages::Package& package : before.installed) {
    back.packages.push_back(
        fmt::format("{}={}", package.name, package.version));
  }
  if (back.packages.empty()) return Inverse{};
  return Inverse::of(std::move(back), Undo::kCompensating);
}

/// What undoes it is told by who is held now, not by who is asked for: a hold
/// of somebody else's stays.
Result<Inverse> PackageActions::prepare(const HoldPackages& action) {
  TRY(auto* tool, manager());
  TRY(const std::vector<packages::Hold> holds, tool->holds());
  HoldPackages back;
  back.held = !action.held;
  for (const std::string& name : action.packages) {
    const bool is_held =
        std::ranges::find(holds, name, &packages::Hold::name) != holds.end();
    if (is_held != action.held) back.packages.push_back(name);
  }
  if (back.packages.empty()) return Inverse{};
  return Inverse::of(std::move(back));
}

Result<void> PackageActions::carry_out(
    const TransactionPlan& plan, const packages::TransactionPolicy& policy) {
  TRY(auto* tool, manager());
  if (plan.is_empty()) return {};
  TRY_VOID(packages::check_transaction(plan, policy));
  packages::Applied applied = tool->apply(plan);
  return std::move(applied.outcome);
}

Result<void> PackageActions::perform(const InstallPackages& action) {
  if (const auto known = prepared_.extract(action.packages)) {
    return carry_out(known.mapped());
  }
  Transaction wanted;
  for (const std::string& words : action.packages) {
    wanted.install.push_back(wanted_of(words));
  }
  TRY(const TransactionPlan plan, resolve(wanted));
  return carry_out(plan);
}

Result<void> PackageActions::perform(const RemovePackages& action) {
  TRY(auto* tool, manager());
  TRY(const packages::Observation now, tool->observe(action.packages));
  Transaction wanted;
  // What is gone already needs no removing: an undo that was cut off.
  for (const packages::Package& package : now.installed) {
    const bool is_known = std::ranges::any_of(
        wanted.remove,
        [&](const Wanted& one) { return one.name == package.name; });
    if (!is_known) wanted.remove.push_back({package.name});
  }
  if (wanted.remove.empty()) return {};
  const auto needed = std::ranges::find_if(
      wanted.remove,
      [](const Wanted& one) { return packages::is_needed(one.name); });
  if (needed != wanted.remove.end() && host_.exists(kKubeletConf)) {
    return Error(
        ErrorCode::kPermissionDenied,
        fmt::format("remove packages: this host is a node ({} is there), and "
                    "its Pods need {}; nothing was removed; next: `gpunode "
                    "leave`, with --force where somebody else joined it, then "
                    "the same again",
                    kKubeletConf, needed->name));
  }
  TRY(const TransactionPlan plan, resolve(wanted));
  return carry_out(plan);
}

Result<void> PackageActions::perform(const HoldPackages& action) {
  TRY(auto* tool, manager());
  TRY(const std::vector<packages::Hold> holds, tool->holds());
  if (!action.held) {
    std::vector<packages::Hold> lifted;
    for (const packages::Hold& hold : holds) {
      if (std::ranges::find(action.packages, hold.name) !=
          action.packages.end()) {
        lifted.push_back(hold);
      }
    }
    return tool->release(lifted);
  }
  TRY(const packages::Observation now, tool->observe(action.packages));
  std::vector<packages::Hold> stale;
  std::vector<std::string> missing;
  for (const std::string& name : action.packages) {
    std::vector<packages::Hold> known;
    std::ranges::copy_if(
        holds, std::back_inserter(known),
        [&](const packages::Hold& hold) { return hold.name == name; });
    if (std::ranges::any_of(known, [&](const packages::Hold& hold) {
          return is_current(hold, now);
        })) {
      continue;
    }
    std::ranges::copy(known, std::back_inserter(stale));
    missing.push_back(name);
  }
  TRY_VOID(tool->release(stale));
  return tool->hold(missing);
}

}  // namespace gpunode::provision
