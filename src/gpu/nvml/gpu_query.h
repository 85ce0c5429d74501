// One GPU as NVML describes it. Internal to the room.
#pragma once

#include <optional>

#include "base/core/result.h"
#include "gpu/device/inventory.h"
#include "gpu/nvml/api.h"

namespace gpunode::nvml {

/// Describes the GPU behind `handle`, all but what procfs::annotate adds.
/// Nothing if it only drives a DGX station's display and never computes. If a
/// query fails that is not optional, `id` still tells which GPU, when known.
Result<std::optional<device::Gpu>> query_gpu(
    const Api& api, nvmlDevice_t handle, device::Index index,
    std::optional<device::DeviceId>& id);

}  // namespace gpunode::nvml
