// The labels of GPU feature discovery, decided from values.
//
// Keys and value rules are NVIDIA's (docs/compatibility.md); where theirs are
// left to chance or refused by the API server, ours are not.
#pragma once

#include <string>
#include <vector>

#include "agent/config/settings.h"
#include "agent/labels/label_set.h"
#include "agent/labels/machine.h"
#include "gpu/device/inventory.h"

namespace gpunode::labels {

struct NodeLabels {
  LabelSet labels;
  std::vector<std::string> remarks;  ///< What a person should know of.
};

/// Every label of the node. Without GPUs these are the timestamp and whether
/// there are vGPUs. The order of `inventory.gpus` changes nothing. All values
/// are valid (label_set.h).
NodeLabels make_node_labels(const device::Inventory& inventory,
                            const config::Settings& settings,
                            const Machine& machine);

}  // namespace gpunode::labels
