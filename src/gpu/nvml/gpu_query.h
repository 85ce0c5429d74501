// One GPU as NVML describes it. Internal to the room.
#pragma once

#include <optional>
#include <string>
#include <string_view>

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

/// "00000000:00:1E.0" as sysfs spells it: "0000:00:1e.0".
std::string sysfs_bus_id(std::string_view nvml_bus_id);

}  // namespace gpunode::nvml
