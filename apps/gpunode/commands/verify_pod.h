// Level 6 of `gpunode verify`: a Pod of this node's.
#pragma once

#include <chrono>
#include <functional>

#include "apps/gpunode/commands/cluster_access.h"
#include "base/core/result.h"
#include "node/diagnose/trial_pod.h"
#include "node/diagnose/verify_levels.h"

namespace gpunode::cli {

/// Makes the Pod, waits until it has ended, for `patience` at most, or until
/// `is_stopped`, reads its log and takes it away again. Errors are the API
/// server's; kUnavailable: stopped.
Result<diagnose::PodEnd> run_pod(kube::Client& client,
                                 const diagnose::TrialPod& pod,
                                 std::chrono::seconds patience,
                                 const std::function<bool()>& is_stopped);

}  // namespace gpunode::cli
