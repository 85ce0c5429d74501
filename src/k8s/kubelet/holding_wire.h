// Bytes of the PodResources API -> Holdings. Internal to the room.
#pragma once

#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "k8s/kubelet/pod_resources.h"

namespace gpunode::kubelet::wire {

/// ListPodResourcesResponse of v1 or v1alpha1, sorted by namespace, Pod,
/// container and resource. What is split over several entries, as newer
/// kubelets do by NUMA node, is one Holding. kCorrupt if `bytes` is something
/// else.
Result<std::vector<Holding>> decode_holdings(std::string_view bytes);

}  // namespace gpunode::kubelet::wire
