#include "gpu/device/pci_address.h"

#include <algorithm>
#include <cctype>

namespace gpunode::device {

std::string sysfs_bus_id(std::string_view nvml_bus_id) {
  // NVML writes eight digits of domain; sysfs four, or more when needed.
  constexpr std::size_t kDomainDigits = 4;
  const std::size_t domain_end =
      std::min(nvml_bus_id.find(':'), nvml_bus_id.size());
  std::size_t start = 0;
  while (domain_end - start > kDomainDigits && nvml_bus_id[start] == '0') {
    ++start;
  }
  std::string id(nvml_bus_id.substr(start));
  std::transform(id.begin(), id.end(), id.begin(), [](unsigned char c) {
    return static_cast<char>(std::tolower(c));
  });
  return id;
}

}  // namespace gpunode::device
