// Level 6 of `gpunode verify`: a Pod of this node's.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "k8s/api/client.h"
#include "node/diagnose/trial_pod.h"
#include "node/diagnose/verify_levels.h"

namespace gpunode::cli {

struct PodPatience {
  std::chrono::seconds time;  ///< For the Pod, and an API server that is away.
  std::function<bool()> is_stopped;
  /// The API server does not answer, and is asked again. May be empty.
  std::function<void(const Error& away)> told = {};
  std::function<TimePoint()> now = std::chrono::steady_clock::now;
  std::function<void(Duration)> pause = [](Duration length) {
    std::this_thread::sleep_for(length);
  };
};

/// Makes the Pod, waits until it has ended, reads its log and takes it away
/// again. Its name must be nobody else's: one that is there already is ours, of
/// a try whose answer was lost. Errors are the API server's and none of the
/// Pod's; kUnavailable: it was away for too long, or this was stopped.
Result<diagnose::PodEnd> run_pod(kube::Client& client,
                                 const diagnose::TrialPod& pod,
                                 const PodPatience& patience);

}  // namespace gpunode::cli
