// How near devices are to each other: PCIe, NVLink, fabric.
#include <algorithm>
#include <cstring>

#include "gpu/abi/nvml.h"
#include "tests/doubles/nvml/driver.h"
#include "tests/doubles/nvml/pci_address.h"

using gpunode::fake_nvml::answer;
using gpunode::fake_nvml::answer_unsupported;
using gpunode::fake_nvml::answer_value;
using gpunode::fake_nvml::Call;
using gpunode::fake_nvml::Fabric;
using gpunode::fake_nvml::fill_legacy_pci;
using gpunode::fake_nvml::fill_pci;
using gpunode::fake_nvml::GpuSpec;
using gpunode::fake_nvml::NvLinkEnd;
using gpunode::fake_nvml::parse_pci_address;
using gpunode::fake_nvml::PciAddress;
using gpunode::fake_nvml::PciePlace;
using gpunode::fake_nvml::Session;

namespace {

bool same(const std::optional<unsigned>& a, const std::optional<unsigned>& b) {
  return a.has_value() && a == b;
}

nvmlGpuTopologyLevel_t nearness(const GpuSpec& a, const GpuSpec& b) {
  if (same(a.pcie.board, b.pcie.board)) return NVML_TOPOLOGY_SINGLE;
  if (same(a.pcie.tree, b.pcie.tree)) return NVML_TOPOLOGY_MULTIPLE;
  if (same(a.pcie.bridge, b.pcie.bridge)) return NVML_TOPOLOGY_HOSTBRIDGE;
  return a.numa_node == b.numa_node ? NVML_TOPOLOGY_NODE : NVML_TOPOLOGY_SYSTEM;
}

/// A call about one NVLink: `body(session, end)`.
template <class Body>
nvmlReturn_t answer_link(Call call, nvmlDevice_t handle, unsigned link,
                         Body body) {
  return answer(call, handle,
                [&](const Session& session, nvmlDevice_st& device) {
                  const auto& links = device.gpu->nvlinks;
                  if (links.empty() || device.mig != nullptr) {
                    return NVML_ERROR_NOT_SUPPORTED;
                  }
                  if (link >= links.size()) return NVML_ERROR_INVALID_ARGUMENT;
                  return body(session, *device.gpu, links[link]);
                });
}

template <class Fill>
nvmlReturn_t remote_pci(Call call, nvmlDevice_t handle, unsigned link,
                        nvmlPciInfo_t* pci, Fill fill) {
  return answer_link(
      call, handle, link,
      [&](const Session& session, const GpuSpec&, const NvLinkEnd& end) {
        if (pci == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
        unsigned device_id = 0;
        unsigned subsystem_id = 0;
        std::string bus_id = end.pci_bus_id;
        if (end.gpu) {
          const GpuSpec& remote = *session.gpu(*end.gpu)->gpu;
          bus_id = remote.pci_bus_id;
          device_id = remote.pci_device_id;
          subsystem_id = remote.pci_subsystem_id;
        }
        fill(parse_pci_address(bus_id).value_or(PciAddress{}), device_id,
             subsystem_id, *pci);
        return NVML_SUCCESS;
      });
}

/// The members that the versions of the struct share.
template <class Info>
void fill_fabric(const Fabric& fabric, Info& info) {
  std::memcpy(info.clusterUuid, fabric.cluster_uuid.data(),
              sizeof info.clusterUuid);
  info.status = NVML_SUCCESS;
  info.cliqueId = fabric.clique;
  info.state = fabric.state;
}

}  // namespace

nvmlReturn_t nvmlDeviceGetTopologyCommonAncestor(
    nvmlDevice_t a, nvmlDevice_t b, nvmlGpuTopologyLevel_t* level) {
  return answer(Call::knvmlDeviceGetTopologyCommonAncestor, a,
                [&](const Session& session, nvmlDevice_st& found) {
                  if (level == nullptr || !session.owns(b)) {
                    return NVML_ERROR_INVALID_ARGUMENT;
                  }
                  if (found.gpu == b->gpu) return NVML_ERROR_NOT_SUPPORTED;
                  *level = nearness(*found.gpu, *b->gpu);
                  return NVML_SUCCESS;
                });
}

nvmlReturn_t nvmlDeviceOnSameBoard(nvmlDevice_t a, nvmlDevice_t b,
                                   int* is_same) {
  return answer(Call::knvmlDeviceOnSameBoard, a,
                [&](const Session& session, nvmlDevice_st& found) {
                  if (is_same == nullptr || !session.owns(b)) {
                    return NVML_ERROR_INVALID_ARGUMENT;
                  }
                  *is_same = found.gpu == b->gpu ? 1 : 0;
                  return NVML_SUCCESS;
                });
}

nvmlReturn_t nvmlDeviceGetNvLinkState(nvmlDevice_t device, unsigned link,
                                      nvmlEnableState_t* is_active) {
  return answer_link(
      Call::knvmlDeviceGetNvLinkState, device, link,
      [is_active](const Session&, const GpuSpec&, const NvLinkEnd&) {
        if (is_active == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
        *is_active = 1;
        return NVML_SUCCESS;
      });
}

nvmlReturn_t nvmlDeviceGetNvLinkVersion(nvmlDevice_t device, unsigned link,
                                        unsigned* version) {
  return answer_link(
      Call::knvmlDeviceGetNvLinkVersion, device, link,
      [version](const Session&, const GpuSpec& gpu, const NvLinkEnd&) {
        if (version == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
        *version = gpu.nvlink_version;
        return NVML_SUCCESS;
      });
}

nvmlReturn_t nvmlDeviceGetNvLinkRemotePciInfo(nvmlDevice_t device,
                                              unsigned link,
                                              nvmlPciInfo_t* pci) {
  return remote_pci(Call::knvmlDeviceGetNvLinkRemotePciInfo, device, link, pci,
                    fill_legacy_pci);
}

nvmlReturn_t nvmlDeviceGetNvLinkRemotePciInfo_v2(nvmlDevice_t device,
                                                 unsigned link,
                                                 nvmlPciInfo_t* pci) {
  return remote_pci(Call::knvmlDeviceGetNvLinkRemotePciInfo_v2, device, link,
                    pci, fill_pci);
}

nvmlReturn_t nvmlDeviceGetNvLinkRemoteDeviceType(
    nvmlDevice_t device, unsigned link, nvmlIntNvLinkDeviceType_t* type) {
  return answer_link(
      Call::knvmlDeviceGetNvLinkRemoteDeviceType, device, link,
      [type](const Session&, const GpuSpec&, const NvLinkEnd& end) {
        if (type == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
        *type = end.gpu ? NVML_NVLINK_DEVICE_TYPE_GPU
                        : NVML_NVLINK_DEVICE_TYPE_SWITCH;
        return NVML_SUCCESS;
      });
}

nvmlReturn_t nvmlDeviceGetGpuFabricInfo(nvmlDevice_t device,
                                        nvmlGpuFabricInfo_t* info) {
  return answer(Call::knvmlDeviceGetGpuFabricInfo, device,
                [info](const Session&, nvmlDevice_st& found) {
                  if (info == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
                  *info = {};
                  fill_fabric(found.gpu->fabric.value_or(Fabric{}), *info);
                  return NVML_SUCCESS;
                });
}

nvmlReturn_t nvmlDeviceGetGpuFabricInfoV(nvmlDevice_t device,
                                         nvmlGpuFabricInfo_v2_t* info) {
  return answer(
      Call::knvmlDeviceGetGpuFabricInfoV, device,
      [info](const Session&, nvmlDevice_st& found) {
        if (info == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
        const Fabric fabric = found.gpu->fabric.value_or(Fabric{});
        if (info->version == NVML_STRUCT_VERSION(nvmlGpuFabricInfo_v2_t, 2)) {
          fill_fabric(fabric, *info);
          info->healthMask = 0;
          return NVML_SUCCESS;
        }
        if (info->version == NVML_STRUCT_VERSION(nvmlGpuFabricInfo_v3_t, 3)) {
          nvmlGpuFabricInfo_v3_t newer{};
          newer.version = info->version;
          fill_fabric(fabric, newer);
          std::memcpy(info, &newer, sizeof newer);
          return NVML_SUCCESS;
        }
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
      });
}

// Which CPUs a node has is nothing that a profile says.
nvmlReturn_t nvmlDeviceGetCpuAffinity(nvmlDevice_t device, unsigned /*size*/,
                                      unsigned long* /*set*/) {
  return answer_unsupported(Call::knvmlDeviceGetCpuAffinity, device);
}

nvmlReturn_t nvmlDeviceGetMemoryAffinity(nvmlDevice_t device, unsigned size,
                                         unsigned long* set,
                                         unsigned /*scope*/) {
  return answer(Call::knvmlDeviceGetMemoryAffinity, device,
                [&](const Session&, nvmlDevice_st& found) {
                  if (set == nullptr || size == 0) {
                    return NVML_ERROR_INVALID_ARGUMENT;
                  }
                  if (found.gpu->numa_node < 0) return NVML_ERROR_NOT_SUPPORTED;
                  const auto node = static_cast<unsigned>(found.gpu->numa_node);
                  if (node / 64 >= size) return NVML_ERROR_INSUFFICIENT_SIZE;
                  std::fill(set, set + size, 0UL);
                  set[node / 64] = 1UL << (node % 64);
                  return NVML_SUCCESS;
                });
}
