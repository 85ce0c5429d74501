// Asking the levels of `gpunode verify` of a host.
#pragma once

#include <string>

#include "apps/gpunode/commands/cluster_access.h"
#include "apps/gpunode/commands/node_run.h"
#include "node/diagnose/doctor_look.h"
#include "node/diagnose/trial_pod.h"
#include "node/diagnose/verify_levels.h"

namespace gpunode::cli {

struct VerifyOptions {
  NodeOptions node;
  std::string driver_root = "/";
  std::string probe;  ///< gpunode-probe, an absolute path.
  diagnose::ExpectedGpus expected = {};
  int first = 0;
  int level = diagnose::kHostLevel;  ///< The last that is asked.
  int timeout_seconds = 60;          ///< Of the driver's answers.
  std::string runtime;               ///< gpunode-runtime, an absolute path.
  std::string vectoradd;             ///< gpunode-vectoradd, the same.
  ClusterOptions cluster;
  diagnose::TrialPod pod;
  int pod_timeout_seconds = 300;
  int diagnostics = 1;  ///< dcgmi's own level.
};

/// What the GPUNode file of the host says; why it says nothing, otherwise.
diagnose::ExpectedGpus expected_gpus(const NodeOptions& node);

/// Levels `first` to `level`; those that cannot be asked are skipped, with the
/// reason. 2 and 3 wake the GPUs, 4 and 6 start something and take it away
/// again.
diagnose::VerifyChecks ask_levels(const VerifyOptions& options,
                                  const diagnose::DoctorLook& look,
                                  Session& session);

}  // namespace gpunode::cli
