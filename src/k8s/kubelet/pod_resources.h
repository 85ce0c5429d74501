// Which container holds which devices, as the kubelet has it.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/core/result.h"

namespace gpunode::kubelet {

/// The devices of one resource that one container holds.
struct Holding {
  std::string pod_namespace;
  std::string pod;
  std::string container;
  std::string resource;
  std::vector<std::string> ids;  ///< As the device plugin listed them.

  bool operator==(const Holding&) const = default;
};

/// Where the kubelet serves its PodResources API.
inline constexpr const char* kPodResourcesSocket =
    "/var/lib/kubelet/pod-resources/kubelet.sock";

/// What the kubelet that listens on `socket` tells of every container with
/// devices of any plugin: one Holding for each container and resource, sorted.
/// Asked by v1 and, of a kubelet without it, by v1alpha1, over one connection.
/// The kubelet forgets a Pod some time after its end, not at once.
///
/// kUnavailable: nobody listens there, or no answer came within `timeout`.
/// kUnsupported: it speaks neither. kCorrupt: what came is no such answer.
/// kInvalidArgument: the kubelet refuses; the message ends with its own words.
/// Blocks the calling thread, any thread, for `timeout` at most.
Result<std::vector<Holding>> list_holdings(const std::string& socket,
                                           std::chrono::milliseconds timeout);

}  // namespace gpunode::kubelet
