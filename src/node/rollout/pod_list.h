// Lists of the API server, whole.
#pragma once

#include <string>
#include <vector>

#include "base/core/result.h"
#include "k8s/api/client.h"
#include "node/rollout/drain.h"

namespace gpunode::rollout {

/// All pages of a list. A list that the server forgot on the way is begun anew.
Result<std::vector<std::string>> list_all(kube::Client& client,
                                          const kube::ResourceType& type,
                                          const kube::Selection& selection);

/// Pods on a node, for plan_drain().
Result<std::vector<DrainPod>> pods_on(kube::Client& client,
                                      const std::string& node);

}  // namespace gpunode::rollout
