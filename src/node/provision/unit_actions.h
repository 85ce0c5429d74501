// systemd units and programs of the host.
#pragma once

#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "base/host/host_root.h"
#include "node/provision/action.h"
#include "node/provision/inverse.h"

namespace gpunode::provision {

class UnitActions {
 public:
  UnitActions(const host::HostRoot& host, host::CommandRunner& runner)
      : host_(host), runner_(runner) {}

  /// A file that systemd reads was changed: it is told before the next unit.
  void files_changed() { is_stale_ = true; }

  Result<Inverse> prepare(const SetUnit& action);
  Result<Inverse> prepare(const RunProgram& action);
  Result<Inverse> prepare(const Reboot& action);

  Result<void> perform(const SetUnit& action);
  Result<void> perform(const RunProgram& action);
  Result<void> perform(const Reboot& action);

  /// Tells systemd of changed files, if that was not done yet.
  Result<void> flush();

 private:
  Result<void> systemctl(std::vector<std::string> arguments);

  host::HostRoot host_;
  host::CommandRunner& runner_;
  bool is_stale_ = false;
};

}  // namespace gpunode::provision
