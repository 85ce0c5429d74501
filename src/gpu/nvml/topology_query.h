// How near the GPUs of a node are, as NVML describes it. Internal to the room.
#pragma once

#include <vector>

#include "gpu/device/inventory.h"
#include "gpu/nvml/api.h"

namespace gpunode::nvml {

/// `handles` and `gpus` are parallel. A pair whose nearness cannot be read
/// stays unknown: it costs a worse choice of GPUs, never a GPU.
device::Topology query_topology(const Api& api,
                                const std::vector<nvmlDevice_t>& handles,
                                const std::vector<device::Gpu>& gpus);

}  // namespace gpunode::nvml
