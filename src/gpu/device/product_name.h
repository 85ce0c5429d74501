// What a GPU is called, by its PCI device id: for hosts without a driver.
#pragma once

#include <cstdint>
#include <string>

namespace gpunode::device {

/// The name that NVIDIA's driver gives the GPU with this PCI device id (of
/// vendor 10de), "NVIDIA A10G", from our table of data centre and workstation
/// GPUs; "NVIDIA 10de:2c3a" for an id that is not in it, which may be newer
/// than we are. One id may be of several products that only their subsystems
/// tell apart: 25b6 is an A16 or an A2.
std::string product_name_of(std::uint16_t pci_device);

}  // namespace gpunode::device
