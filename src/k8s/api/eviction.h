// A Pod asked to go, so that a PodDisruptionBudget may say "not now". Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/core/result.h"
#include "k8s/api/client.h"
#include "k8s/api/resource_path.h"

namespace gpunode::kube {

/// The version of policy that evictions are written in, out of the discovery
/// document of "/api/v1": "v1" from Kubernetes 1.22 on, "v1beta1" before.
/// kUnsupported: the server has none.
Result<std::string> eviction_version(std::string_view discovery);

/// The body for Client::evict(). With a `uid` no other Pod of the same name is
/// meant, as one that a StatefulSet has made meanwhile.
std::string eviction_json(const ObjectKey& pod, const std::string& version,
                          const std::string& uid);

struct Eviction {
  enum class End {
    kAccepted,  ///< The Pod is asked to end; it takes its time.
    kGone,      ///< It is not there, or it is another one by now.
    kHeld,      ///< Not now, by a budget or two: ask again later.
  };
  End end = End::kAccepted;
  /// Of kHeld: the server's, with the budget's numbers, or what it is and what
  /// a person does about it.
  std::string words;
};

/// What an eviction came to; an Error for everything that is none of these.
Result<Eviction> judge_eviction(const ObjectKey& pod, const Answer& answer);

}  // namespace gpunode::kube
