// File systems on whole disks.
#pragma once

#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "base/host/disk_claim.h"
#include "base/host/host_root.h"
#include "node/provision/action.h"
#include "node/provision/inverse.h"
#include "node/provision/work_watch.h"

namespace gpunode::provision {

/// Nothing that a plan said of a disk is trusted: everything is looked at again
/// on the disk held open, and what is not as it was then is a refusal.
class DiskActions {
 public:
  /// `watch`, if any, is told how far proofs are; it outlives this.
  DiskActions(const host::HostRoot& host, host::CommandRunner& runner,
              WorkWatch* watch = nullptr)
      : host_(host), runner_(runner), watch_(watch) {}

  static Result<Inverse> prepare(const MakeFilesystem& action);

  Result<void> perform(const MakeFilesystem& action) const;
  Result<void> perform(const WipeFilesystem& action) const;

 private:
  /// What `action` would make is there already: a run was cut off between
  /// making it and saying so.
  Result<bool> is_done(const MakeFilesystem& action) const;
  Result<void> make_single(const MakeFilesystem& action) const;
  Result<void> make_on(host::DiskClaim& claim,
                       const MakeFilesystem& action) const;

  host::HostRoot host_;
  host::CommandRunner& runner_;
  WorkWatch* watch_;
};

}  // namespace gpunode::provision
