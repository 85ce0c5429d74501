// GPUs that are set aside for virtual machines: bound to vfio-pci, so that no
// driver of NVIDIA's is there to ask.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/host/host_root.h"
#include "gpu/device/inventory.h"

namespace gpunode::procfs {

/// The bytes of memory windows with 64-bit addresses among the six BARs of a
/// function, together and rounded up to a power of two: what a VM must leave
/// room for, and on GPUs with a whole-memory BAR a bound of their memory.
/// `resource` is the file of sysfs, a line each with first and last address and
/// flags. 0: there is none, or the file is not of that form.
std::uint64_t addressable_memory(std::string_view resource);

/// The name in the text of a pci.ids, "GA102GL [A10G]"; nothing: not in it.
std::optional<std::string> find_pci_name(std::string_view pci_ids,
                                         std::uint16_t vendor,
                                         std::uint16_t device);

/// The GPUs of vfio-pci, by bus id, without virtual functions; those of other
/// drivers are `lost`, with the reason. Names are those of the host's pci.ids,
/// else of our table, else "UNKNOWN_DEVICE".
device::Inventory list_passthrough_gpus(const host::HostRoot& host);

}  // namespace gpunode::procfs
