// Actions carried out on a real host.
#pragma once

#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "base/host/host_root.h"
#include "node/provision/build_actions.h"
#include "node/provision/cluster_actions.h"
#include "node/provision/disk_actions.h"
#include "node/provision/file_actions.h"
#include "node/provision/kernel_actions.h"
#include "node/provision/key_actions.h"
#include "node/provision/module_actions.h"
#include "node/provision/package_actions.h"
#include "node/provision/performer.h"
#include "node/provision/program_actions.h"
#include "node/provision/tree_actions.h"
#include "node/provision/unit_actions.h"

namespace gpunode::provision {

/// `host` and `runner` must outlive it. One thread.
class HostPerformer final : public Performer {
 public:
  struct Options {
    bool overwrite_drift = false;  ///< Undo over changes made by hand.
    packages::Settings packages = {};
    /// Somebody was cut off who may not have told systemd of changed files.
    bool is_systemd_stale = false;
    WorkWatch* watch = nullptr;  ///< Told of copies; outlives the performer.
    ClusterSurroundings cluster = {};
  };

  HostPerformer(const host::HostRoot& host, host::CommandRunner& runner,
                Options options);

  Result<Inverse> prepare(const Action& action, std::uint64_t seq) override;
  Result<void> perform(const Action& action) override;
  void may_ask_others() override { packages_.may_ask_others(); }
  Result<void> finish() override { return units_.flush(); }

 private:
  FileActions files_;
  KernelActions kernel_;
  ModuleActions modules_;
  UnitActions units_;
  KeyActions keys_;
  PackageActions packages_;
  BuildActions builds_;
  DiskActions disks_;
  TreeActions trees_;
  ProgramActions programs_;
  ClusterActions cluster_;
};

}  // namespace gpunode::provision
