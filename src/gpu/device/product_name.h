// What a GPU is called, by its PCI device id: for hosts without a driver.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gpunode::device {

/// The name that NVIDIA's driver gives the GPU with this PCI device id (of
/// vendor 10de), "NVIDIA A10G", from our table of data centre and workstation
/// GPUs; "NVIDIA 10de:2c3a" for an id that is not in it, which may be newer
/// than we are. One id may be of several products that only their subsystems
/// tell apart: 25b6 is an A16 or an A2.
std::string product_name_of(std::uint16_t pci_device);

/// Whether this id lies behind all that our table has: of a GPU that is younger
/// than this version.
bool is_newer_than_table(std::uint16_t pci_device);

/// "GA102GL [A10G]": what the PCI ID database calls it, of which labels of GPUs
/// without a driver are made; nothing for an id that is not in our table.
std::optional<std::string_view> pci_name_of(std::uint16_t pci_device);

}  // namespace gpunode::device
