// PackageActions' further half: sets in one version, and streams of modules.
#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "node/distribution/precompiled.h"
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

/// Of what has its version in its name only the chosen one stays.
void replace_other_versions(const std::vector<std::string>& names,
                            const Observation& now, Transaction& wanted) {
  for (const std::string& name : names) {
    if (!packages::has_version_inside(name)) continue;
    for (const packages::Package& one : now.installed) {
      const bool is_chosen =
          std::ranges::find(wanted.install, one.name, &Wanted::name) !=
          wanted.install.end();
      const bool is_going =
          std::ranges::find(wanted.remove, one.name, &Wanted::name) !=
          wanted.remove.end();
      if (is_chosen || is_going || !packages::is_named(one.name, name)) {
        continue;
      }
      wanted.remove.push_back({one.name});
    }
  }
}

/// The kernels that the repository has modules for, if `error` is that it has
/// none of `name` at all; else `error`.
Error with_kernels(Error error, const std::string& name,
                   const InstallSet& action,
                   const std::vector<packages::Candidate>& offers) {
  std::set<std::string> kernels;
  for (const packages::Candidate& one : offers) {
    if (one.repository.find(action.from) == std::string::npos) continue;
    const auto kmod = distribution::parse_precompiled_kmod(one.name);
    if (!kmod || !packages::is_of(kmod->version, action.version)) continue;
    // It is there, and another package of the set is not.
    if (packages::is_named(one.name, name)) return error;
    kernels.emplace(kmod->kernel);
  }
  const std::string any = packages::with_version(name, "000.0");
  const auto asked = distribution::parse_precompiled_kmod(any);
  if (!asked) return error;
  return {ErrorCode::kNotFound,
          fmt::format("NVIDIA has no ready-made module of {} for the kernel "
                      "{}{}; next: {}say another `branch`, or `source: "
                      "nvidia-cuda-repo`, whose modules DKMS builds; they come "
                      "some days after a kernel",
                      action.version, asked->kernel,
                      kernels.empty() ? std::string(", and none for any other")
                                      : fmt::format(" (it has them for {})",
                                                    fmt::join(kernels, ", ")),
                      kernels.empty()
                          ? ""
                          : "have one of these kernels by `kernel: {policy: "
                            "exact}` of spec.host, ")};
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
    if (!chosen) return explain(std::move(chosen).error(), action, *tool);
    wanted.install.insert(wanted.install.begin(), chosen->begin(),
                          chosen->end());
    replace_other_versions(names, now, wanted);
  }
  TRY(TransactionPlan plan, resolve(wanted));
  TRY_VOID(packages::check_transaction(plan, policy_of(action)));
  return plan;
}

Error PackageActions::explain(Error error, const InstallSet& action,
                              packages::PackageManager& tool) {
  for (const std::string& name : open_names(action)) {
    if (!packages::has_version_inside(name)) continue;
    const auto offers = tool.candidates({name.substr(0, name.find('*') + 1)});
    if (!offers) return error;
    return with_kernels(std::move(error), name, action, *offers);
  }
  return error;
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
