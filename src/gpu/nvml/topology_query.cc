#include "gpu/nvml/topology_query.h"

#include <cstddef>
#include <string>

#include "gpu/device/pci_address.h"

namespace gpunode::nvml {
namespace {

device::PciLink query_pci_link(const Api& api, nvmlDevice_t a, nvmlDevice_t b) {
  nvmlGpuTopologyLevel_t level = NVML_TOPOLOGY_SYSTEM;
  const nvmlReturn_t code =
      call_optional(api.nvmlDeviceGetTopologyCommonAncestor, a, b, &level);
  if (code != NVML_SUCCESS) return device::PciLink::kUnknown;
  switch (level) {
    case NVML_TOPOLOGY_INTERNAL:
      return device::PciLink::kSameBoard;
    case NVML_TOPOLOGY_SINGLE:
      return device::PciLink::kSingleSwitch;
    case NVML_TOPOLOGY_MULTIPLE:
      return device::PciLink::kMultiSwitch;
    case NVML_TOPOLOGY_HOSTBRIDGE:
      return device::PciLink::kHostBridge;
    case NVML_TOPOLOGY_NODE:
      return device::PciLink::kSameCpu;
    case NVML_TOPOLOGY_SYSTEM:
      return device::PciLink::kCrossCpu;
    default:
      return device::PciLink::kUnknown;
  }
}

// The bus id at the far end of each active NVLink of a GPU. The far end is
// another GPU or an NVSwitch; only the former is in the Inventory.
std::vector<std::string> query_nvlink_ends(const Api& api,
                                           nvmlDevice_t handle) {
  std::vector<std::string> ends;
  for (unsigned link = 0; link < NVML_NVLINK_MAX_LINKS; ++link) {
    nvmlEnableState_t is_active = 0;
    nvmlReturn_t code =
        call_optional(api.nvmlDeviceGetNvLinkState, handle, link, &is_active);
    if (code == NVML_ERROR_INVALID_ARGUMENT ||
        code == NVML_ERROR_FUNCTION_NOT_FOUND) {
      break;  // Past the last link, or a driver without NVLink.
    }
    if (code != NVML_SUCCESS || is_active == 0) continue;
    nvmlPciInfo_t pci = {};
    code = call_optional(api.nvmlDeviceGetNvLinkRemotePciInfo_v2, handle, link,
                         &pci);
    if (code != NVML_SUCCESS) continue;
    pci.busId[sizeof pci.busId - 1] = '\0';
    ends.push_back(device::sysfs_bus_id(pci.busId));
  }
  return ends;
}

}  // namespace

device::Topology query_topology(const Api& api,
                                const std::vector<nvmlDevice_t>& handles,
                                const std::vector<device::Gpu>& gpus) {
  device::Topology topology(gpus.size());
  // Every link has two ends; the pair's first GPU tells.
  for (std::size_t a = 0; a + 1 < gpus.size(); ++a) {
    const std::vector<std::string> ends = query_nvlink_ends(api, handles[a]);
    for (std::size_t b = a + 1; b < gpus.size(); ++b) {
      device::Link link;
      link.pci = query_pci_link(api, handles[a], handles[b]);
      for (const std::string& end : ends) {
        if (end == gpus[b].pci_bus_id) ++link.nvlinks;
      }
      topology.set(a, b, link);
    }
  }
  return topology;
}

}  // namespace gpunode::nvml
