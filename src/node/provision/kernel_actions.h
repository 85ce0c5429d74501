// Settings of the running kernel.
#pragma once

#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "base/host/host_root.h"
#include "node/provision/action.h"
#include "node/provision/inverse.h"

namespace gpunode::provision {

class KernelActions {
 public:
  KernelActions(const host::HostRoot& host, host::CommandRunner& runner)
      : host_(host), runner_(runner) {}

  Result<Inverse> prepare(const SetSysctl& action) const;
  Result<Inverse> prepare(const SetModule& action) const;
  Result<Inverse> prepare(const SetSwap& action) const;

  Result<void> perform(const SetSysctl& action) const;
  Result<void> perform(const SetModule& action) const;
  Result<void> perform(const SetSwap& action) const;

 private:
  Result<bool> has_module(const std::string& name) const;
  /// The UUID that the swap space at `path` says; kNotFound if there is none,
  /// and "" for one without.
  Result<std::string> swap_uuid(const std::string& path) const;
  /// Where the swap space of `action` is today; "" if it is nowhere.
  std::string find_swap(const SetSwap& action) const;

  host::HostRoot host_;
  host::CommandRunner& runner_;
};

}  // namespace gpunode::provision
