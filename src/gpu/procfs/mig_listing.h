// UUIDs of MIG devices, out of what nvidia-smi prints. The kernel's files have
// none, and the program asks the library for us.
#pragma once

#include <string_view>
#include <vector>

#include "gpu/device/inventory.h"
#include "gpu/procfs/gpu_list.h"

namespace gpunode::procfs {

/// `listing` is `nvidia-smi -L`: "GPU 0: … (UUID: GPU-…)" and below it
/// "  MIG 1g.5gb  Device  0: (UUID: MIG-…)". `table` is plain `nvidia-smi`,
/// whose section "MIG devices:" has a row for each, "|  0    7   0   0  |…":
/// GPU, GPU instance, compute instance, device. GPUs are those of `inventory`
/// by Index. What either does not have is left out.
std::vector<MigUuid> parse_mig_listing(std::string_view listing,
                                       std::string_view table,
                                       const device::Inventory& inventory);

}  // namespace gpunode::procfs
