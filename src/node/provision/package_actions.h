// Packages, by the host's own manager.
#pragma once

#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "base/host/host_root.h"
#include "node/facts/os_release.h"
#include "node/provision/action.h"
#include "node/provision/inverse.h"
#include "node/provision/node_spec.h"
#include "node/provision/packages/dnf.h"
#include "node/provision/packages/package_manager.h"
#include "node/provision/packages/transaction_policy.h"

namespace gpunode::provision {

/// What the file says of how packages are fetched.
packages::Settings package_settings(const NodeSpec& spec);

/// Which manager a distribution has; kUnsupported for one that is not known.
Result<packages::Tool> package_tool(const facts::OsRelease& os);

/// What is installed is what the tool itself resolved, after a look at what it
/// would remove; half-configured systems are told and not made worse.
class PackageActions {
 public:
  /// Stateless but for the tool's answers; `runner` must outlive it. The
  /// distribution is looked up when it is first needed.
  PackageActions(const host::HostRoot& host, host::CommandRunner& runner,
                 packages::Settings settings)
      : host_(host), runner_(runner), settings_(std::move(settings)) {}

  Result<Inverse> prepare(const InstallPackages& action);
  Result<Inverse> prepare(const RemovePackages& action);
  Result<Inverse> prepare(const HoldPackages& action);
  Result<Inverse> prepare(const InstallSet& action);
  Result<Inverse> prepare(const SetModuleStream& action);

  Result<void> perform(const InstallPackages& action);
  Result<void> perform(const RemovePackages& action);
  Result<void> perform(const HoldPackages& action);
  Result<void> perform(const DistrustKeys& action);
  Result<void> perform(const InstallSet& action);
  Result<void> perform(const SetModuleStream& action);

  /// Performer's: of versions that a bundle has not.
  void may_ask_others() { asks_others_ = true; }

  /// Makes a key file that was looked at one that packages may be signed with,
  /// where the manager does not take it from a repository's file by itself.
  Result<void> trust(const std::string& path);

  /// Those of `fingerprints` that the manager's own database of keys does not
  /// have yet and will, once packages come that they signed. None of apt's,
  /// whose sources name their key.
  Result<std::vector<std::string>> untrusted(
      const std::vector<std::string>& fingerprints);

  /// Repositories were added, changed or removed: indexes are fetched before
  /// anything is resolved again.
  void repositories_changed() {
    indexes_ = Indexes::kStale;
    prepared_.clear();
    prepared_sets_.clear();
  }

 private:
  Result<packages::PackageManager*> manager();
  Result<packages::Dnf*> dnf();
  Result<void> carry_out(const packages::TransactionPlan& plan,
                         const packages::TransactionPolicy& policy = {});
  Result<packages::TransactionPlan> resolve(const InstallSet& action);
  /// `error` of a set that could not be chosen, for a person.
  static Error explain(Error error, const InstallSet& action,
                       packages::PackageManager& tool);
  Result<packages::TransactionPlan> resolve(
      const packages::Transaction& wanted);
  Result<packages::TransactionPlan> resolve_by_manager(
      const packages::Transaction& wanted);

  enum class Indexes { kAsFound, kStale, kFresh };

  host::HostRoot host_;
  host::CommandRunner& runner_;
  packages::Settings settings_;
  std::unique_ptr<packages::PackageManager> manager_;
  Indexes indexes_ = Indexes::kAsFound;
  bool asks_others_ = false;
  /// What prepare() found last, so that the tool need not be asked again by the
  /// perform() that follows. The tool is asked whether it still holds anyway.
  std::map<std::vector<std::string>, packages::TransactionPlan> prepared_;
  /// The same of InstallSet, by to_json().
  std::map<std::string, packages::TransactionPlan> prepared_sets_;
};

}  // namespace gpunode::provision
