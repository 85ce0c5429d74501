// Whether this is a virtual machine with NVIDIA's vGPUs, from PCI config space.
//
// The hypervisor leaves a vendor-specific capability in each vGPU's config
// space, signed "VF", with records of its own driver. Root can read all of it;
// others get the first 64 bytes. The driver need not run.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/host/host_root.h"
#include "gpu/device/vgpu.h"

namespace gpunode::procfs {

/// Every vGPU under /sys/bus/pci/devices, by bus id; none on a host without
/// PCI. Fails with kPermissionDenied if the config space of an NVIDIA device
/// cannot be read in full, with kCorrupt if a vGPU does not name its driver.
Result<std::vector<device::Vgpu>> list_vgpus(const host::HostRoot& host);

/// What the config space says: an empty vector for a device that is no vGPU,
/// else one value. Fails as list_vgpus; whatever the bytes are, it ends, and
/// reads none beyond them.
Result<std::vector<device::Vgpu>> parse_vgpu(std::string_view bus_id,
                                             std::string_view config_space);

}  // namespace gpunode::procfs
