// What only the kernel's files tell of Devices that NVML has listed.
#pragma once

#include <string>
#include <vector>

#include "base/host/host_root.h"
#include "gpu/device/inventory.h"

namespace gpunode::procfs {

/// Adds each Gpu's NUMA node and PCI class and each MigDevice's capability
/// paths, from the host's sysfs and procfs. What is not there stays absent or
/// empty. Returns what a person should know of: unparsable lines and missing
/// capabilities, the latter in NVIDIA's words ("missing MIG GPU instance
/// capability path: /proc/driver/nvidia/capabilities/gpu0/mig/gi1/access").
std::vector<std::string> annotate(device::Inventory& inventory,
                                  const host::HostRoot& host);

}  // namespace gpunode::procfs
