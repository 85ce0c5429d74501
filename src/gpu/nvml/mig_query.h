// The MIG devices of one GPU as NVML describes them. Internal to the room.
#pragma once

#include <vector>

#include "base/core/result.h"
#include "gpu/device/inventory.h"
#include "gpu/nvml/api.h"

namespace gpunode::nvml {

/// By position under `gpu`, whose memory must be known already: the profile's
/// name derives from it. The capability paths are procfs::annotate's to add.
Result<std::vector<device::MigDevice>> query_mig_devices(
    const Api& api, nvmlDevice_t handle, const device::Gpu& gpu);

}  // namespace gpunode::nvml
