// Building kernel modules on the host.
#pragma once

#include <string>

#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "base/host/host_root.h"
#include "node/provision/action.h"
#include "node/provision/inverse.h"

namespace gpunode::provision {

/// Where ProveBuild works; nobody but root may enter it, and it is there only
/// while a proof runs.
inline constexpr const char* kProofDirectory = "/var/lib/gpunode/prove-build";

class BuildActions {
 public:
  BuildActions(const host::HostRoot& host, host::CommandRunner& runner)
      : host_(host), runner_(runner) {}

  /// Nothing is left that could be undone.
  static Result<Inverse> prepare(const ProveBuild& action);

  /// kUnavailable if nothing could be built, with the end of what make said;
  /// kNotFound if what a module is built with is not there.
  Result<void> perform(const ProveBuild& action) const;

 private:
  host::HostRoot host_;
  host::CommandRunner& runner_;
};

/// The kernel that a module's file says it is for, the first word of its
/// vermagic; "" if it says none.
std::string kernel_of_module(const std::string& module);

}  // namespace gpunode::provision
