// What a GPU is, by what the kernel tells of it: its PCI device id and its
// name. For the questions that are asked where the driver library is not.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace gpunode::device {

/// CUDA's compute capability of the chip with this PCI device id (of vendor
/// 10de), "8.6"; empty: not in our table. The ids of a chip are in one block
/// (the PCI ID repository); the capabilities of chips are NVIDIA's list "CUDA
/// GPU Compute Capability".
std::string_view compute_capability_of(std::uint16_t pci_device);

/// Every brand by which nvmlDeviceGetBrand may call a GPU of this name, as
/// NVIDIA_REQUIRE_CUDA writes them: it has changed with the driver, a "Tesla
/// T4" is of brand tesla until 460 and nvidia with 525. Empty: unknown, as for
/// virtual GPUs, whose licence decides.
std::vector<std::string_view> brands_of(std::string_view name);

}  // namespace gpunode::device
