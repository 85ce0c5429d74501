// Level 6 of `gpunode verify`: a Pod of this node's.
#pragma once

#include <chrono>
#include <functional>

#include "apps/gpunode/commands/cluster_access.h"
#include "base/core/result.h"
#include "node/diagnose/trial_pod.h"
#include "node/diagnose/verify_levels.h"

namespace gpunode::cli {

struct PodPatience {
  std::chrono::seconds time;  ///< For the Pod, and an API server that is away.
  std::function<bool()> is_stopped;
  /// The API server does not answer, and is asked again. May be empty.
  std::function<void(const Error& away)> told = {};
};

/// Makes the Pod, waits until it has ended, reads its log and takes it away
/// again. Errors are the API server's and none of the Pod's; kUnavailable: it
/// was away for too long, or this was stopped.
Result<diagnose::PodEnd> run_pod(kube::Client& client,
                                 const diagnose::TrialPod& pod,
                                 const PodPatience& patience);

}  // namespace gpunode::cli
