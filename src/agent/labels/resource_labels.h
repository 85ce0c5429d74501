// The labels of each resource: nvidia.com/gpu.* and nvidia.com/mig-1g.5gb.*.
// Internal to the room.
#pragma once

#include "agent/config/settings.h"
#include "agent/labels/node_labels.h"
#include "gpu/device/inventory.h"

namespace gpunode::labels {

/// Product, count, sharing, memory, family or MIG attributes of what the
/// node's GPUs are offered as, and mig.strategy. `inventory` has a GPU.
///
/// One key can hold one model only. On a node of several, it is the one with
/// the most GPUs, of equal ones the first by name, and the same one for every
/// label; memory and compute capability are the least among its GPUs, so that
/// a selector never promises more than a Pod gets.
void add_resource_labels(const device::Inventory& inventory,
                         const config::Settings& settings, NodeLabels& into);

}  // namespace gpunode::labels
