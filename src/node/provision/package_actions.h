// Packages, by the host's own manager.
#pragma once

#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "base/host/host_root.h"
#include "node/facts/os_release.h"
#include "node/provision/action.h"
#include "node/provision/inverse.h"
#include "node/provision/packages/package_manager.h"

namespace gpunode::provision {

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

  Result<void> perform(const InstallPackages& action);
  Result<void> perform(const RemovePackages& action);

 private:
  Result<packages::PackageManager*> manager();
  Result<void> carry_out(const packages::Transaction& wanted);

  host::HostRoot host_;
  host::CommandRunner& runner_;
  packages::Settings settings_;
  std::unique_ptr<packages::PackageManager> manager_;
};

}  // namespace gpunode::provision
