#include "tests/doubles/nvml/pci_address.h"

#include <cstdio>

namespace gpunode::fake_nvml {

std::optional<PciAddress> parse_pci_address(const std::string& text) {
  PciAddress address;
  char rest = 0;
  // NOLINTBEGIN(cert-err34-c): the count of conversions is checked.
  if (std::sscanf(text.c_str(), "%8x:%2x:%2x.%1x%c", &address.domain,
                  &address.bus, &address.device, &address.function,
                  &rest) == 4) {
    return address;
  }
  address.domain = 0;
  if (std::sscanf(text.c_str(), "%2x:%2x.%1x%c", &address.bus, &address.device,
                  &address.function, &rest) == 3) {
    return address;
  }
  // NOLINTEND(cert-err34-c)
  return std::nullopt;
}

void fill_legacy_pci(const PciAddress& address, unsigned device_id,
                     unsigned subsystem_id, nvmlPciInfo_t& info) {
  std::snprintf(info.busIdLegacy, sizeof info.busIdLegacy, "%04X:%02X:%02X.0",
                address.domain & 0xffffU, address.bus & 0xffU,
                address.device & 0x1fU);
  info.domain = address.domain;
  info.bus = address.bus;
  info.device = address.device;
  info.pciDeviceId = device_id;
  info.pciSubSystemId = subsystem_id;
}

void fill_pci(const PciAddress& address, unsigned device_id,
              unsigned subsystem_id, nvmlPciInfo_t& info) {
  fill_legacy_pci(address, device_id, subsystem_id, info);
  std::snprintf(info.busId, sizeof info.busId, "%08X:%02X:%02X.0",
                address.domain, address.bus & 0xffU, address.device & 0x1fU);
}

}  // namespace gpunode::fake_nvml
