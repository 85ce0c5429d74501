// Which Devices stand behind which resource name, before sharing.
#pragma once

#include <map>
#include <vector>

#include "agent/config/settings.h"
#include "agent/resource/problem.h"
#include "agent/resource/resource.h"
#include "agent/resource/resource_name.h"
#include "gpu/device/inventory.h"

namespace gpunode::resource {

/// Never an empty group. Within one, by GPU index, then MIG index.
using DeviceGroups = std::map<ResourceName, std::vector<Device>>;

/// Applies a MIG strategy, as NVIDIA defines it:
///   none    every GPU, MIG enabled or not, is nvidia.com/gpu;
///   single  full GPUs or MIG devices, whichever the node has, likewise;
///   mixed   full GPUs likewise, a MIG device is nvidia.com/mig-<profile>.
///
/// Under `single`, different MIG attributes or full GPUs beside MIG devices
/// leave nvidia.com/gpu out: the name would not say what a container gets. A
/// MIG-enabled GPU without MIG devices, a MIG device without its nodes under
/// /dev/nvidia-caps, and under `mixed` a profile that has fewer compute than
/// GPU slices are left out alone. Each appends to `problems`.
DeviceGroups group_devices(const device::Inventory& inventory,
                           config::MigStrategy strategy, Problems& problems);

}  // namespace gpunode::resource
