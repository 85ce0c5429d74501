// Programs of ours, put where they belong.
#pragma once

#include <cstdint>

#include "base/core/result.h"
#include "base/host/host_root.h"
#include "node/provision/action.h"
#include "node/provision/inverse.h"

namespace gpunode::provision {

/// Durable as FileActions are. A program that runs goes on running: it is
/// replaced, never written to.
class ProgramActions {
 public:
  explicit ProgramActions(const host::HostRoot& host) : host_(host) {}

  /// Keeps what is there under /var/lib/gpunode/backup/`seq`.
  Result<Inverse> prepare(const InstallProgram& action,
                          std::uint64_t seq) const;

  /// kCorrupt if what is at `from` has another digest than the plan saw: then
  /// nothing is touched.
  Result<void> perform(const InstallProgram& action) const;

 private:
  host::HostRoot host_;
};

}  // namespace gpunode::provision
