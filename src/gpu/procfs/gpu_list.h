// The node's GPUs as the kernel driver lists them, without the driver library.
//
// Opening the library wakes every GPU, which takes seconds on a node without
// persistence mode; these files answer at once. What only the library knows is
// left open: memory, compute capability, profiles and UUIDs of MIG devices.
#pragma once

#include <span>
#include <vector>

#include "base/core/result.h"
#include "base/host/host_root.h"
#include "gpu/device/inventory.h"

namespace gpunode::procfs {

/// The UUID of a MIG device, which somebody asked the driver library for.
struct MigUuid {
  device::Minor gpu;
  unsigned gpu_instance = 0;
  unsigned compute_instance = 0;
  unsigned mig_index = 0;  ///< The library's number for it, below its GPU.
  device::DeviceId id;
};

/// Those of `inventory` that have a UUID.
std::vector<MigUuid> mig_uuids_of(const device::Inventory& inventory);

/// From /proc/driver/nvidia: Index in PCI order, which is NVML's; UUID, name,
/// Minor, bus id and NUMA node; for MIG the GPU and compute instances under
/// capabilities/ with the nodes that mig-minors gives them.
///
/// MIG devices come by GPU instance, then compute instance. Their UUIDs and
/// numbers are those of `mig_uuids`; else they have none and are counted. A GPU
/// counts as in MIG mode when it has instances: the files do not tell the mode
/// itself. A GPU whose UUID the driver has not read yet (question marks for
/// digits, until its first use) has an empty
/// one. Excluded GPUs are left out; one that cannot be read is lost.
///
/// kNotFound if no NVIDIA module is loaded.
Result<device::Inventory> list_gpus(const host::HostRoot& host,
                                    std::span<const MigUuid> mig_uuids = {});

}  // namespace gpunode::procfs
