// PciAddress: domain, bus, device and function, and NVML's two spellings.
#pragma once

#include <optional>
#include <string>

#include "gpu/abi/nvml_types.h"

namespace gpunode::fake_nvml {

struct PciAddress {
  unsigned domain = 0;
  unsigned bus = 0;
  unsigned device = 0;
  unsigned function = 0;
  bool operator==(const PciAddress&) const = default;
};

/// Takes 00:1e.0, 0000:00:1e.0 and 00000000:00:1E.0.
std::optional<PciAddress> parse_pci_address(const std::string& text);

/// What nvmlPciInfo_t had before its third version: all but `busId`, which
/// older callers have no room for.
void fill_legacy_pci(const PciAddress& address, unsigned device_id,
                     unsigned subsystem_id, nvmlPciInfo_t& info);
void fill_pci(const PciAddress& address, unsigned device_id,
              unsigned subsystem_id, nvmlPciInfo_t& info);

}  // namespace gpunode::fake_nvml
