#include "gpu/nvml/gpu_query.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "gpu/device/pci_address.h"
#include "gpu/nvml/mig_query.h"
#include "gpu/nvml/return_code.h"

namespace gpunode::nvml {
namespace {

// A text query with NVML's one shape: (handle, buffer, room).
template <class Call>
Result<std::string> query_text(Call* call, const char* name,
                               nvmlDevice_t handle) {
  std::array<char, NVML_DEVICE_NAME_V2_BUFFER_SIZE> text = {};
  const nvmlReturn_t code = call(handle, text.data(), text.size());
  if (code != NVML_SUCCESS) return error_of(name, code);
  text.back() = '\0';
  return std::string(text.data());
}

bool is_display_only(const std::string& name) {
  return name == "DGX Display" || name == "NVIDIA DGX Display";
}

// Memory is a label and a MIG name, never a reason to hide a GPU.
std::uint64_t memory_bytes_of(const Api& api, nvmlDevice_t handle) {
  nvmlMemory_t memory = {};
  const nvmlReturn_t code = api.nvmlDeviceGetMemoryInfo(handle, &memory);
  return code == NVML_SUCCESS ? memory.total : 0;
}

Result<void> query_mig(const Api& api, nvmlDevice_t handle, device::Gpu& gpu) {
  unsigned current = NVML_DEVICE_MIG_DISABLE;
  unsigned pending = NVML_DEVICE_MIG_DISABLE;
  const nvmlReturn_t code =
      call_optional(api.nvmlDeviceGetMigMode, handle, &current, &pending);
  if (is_unsupported(code)) return {};
  if (code != NVML_SUCCESS) return error_of("nvmlDeviceGetMigMode", code);
  gpu.mig_capable = true;
  gpu.mig_enabled = current == NVML_DEVICE_MIG_ENABLE;
  if (gpu.mig_enabled) {
    TRY(gpu.mig_devices, query_mig_devices(api, handle, gpu));
  }
  return {};
}

// Fabric or not is a label, never a reason to hide a GPU.
std::optional<device::FabricClique> query_fabric(const Api& api,
                                                 nvmlDevice_t handle) {
  nvmlGpuFabricInfo_t info = {};
  if (call_optional(api.nvmlDeviceGetGpuFabricInfo, handle, &info) !=
          NVML_SUCCESS ||
      info.state != NVML_GPU_FABRIC_STATE_COMPLETED ||
      info.status != NVML_SUCCESS) {
    return std::nullopt;
  }
  const std::span<const unsigned char> uuid(info.clusterUuid);
  // A machine whose fabric is its own has no UUID.
  if (std::all_of(uuid.begin(), uuid.end(), [](auto b) { return b == 0; })) {
    return std::nullopt;
  }
  device::FabricClique fabric;
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    const bool starts_group = i == 4 || i == 6 || i == 8 || i == 10;
    fabric.cluster += fmt::format("{}{:02x}", starts_group ? "-" : "", uuid[i]);
  }
  fabric.id = info.cliqueId;
  return fabric;
}

}  // namespace

Result<std::optional<device::Gpu>> query_gpu(
    const Api& api, nvmlDevice_t handle, device::Index index,
    std::optional<device::DeviceId>& id) {
  device::Gpu gpu;
  gpu.index = index;
  TRY(gpu.id.value,
      query_text(api.nvmlDeviceGetUUID, "nvmlDeviceGetUUID", handle));
  id = gpu.id;
  TRY(gpu.name, query_text(api.nvmlDeviceGetName, "nvmlDeviceGetName", handle));
  if (is_display_only(gpu.name)) return std::optional<device::Gpu>();

  nvmlReturn_t code = api.nvmlDeviceGetMinorNumber(handle, &gpu.minor.value);
  if (code != NVML_SUCCESS) return error_of("nvmlDeviceGetMinorNumber", code);
  nvmlPciInfo_t pci = {};
  code = api.nvmlDeviceGetPciInfo_v3(handle, &pci);
  if (code != NVML_SUCCESS) return error_of("nvmlDeviceGetPciInfo", code);
  pci.busId[sizeof pci.busId - 1] = '\0';
  gpu.pci_bus_id = device::sysfs_bus_id(pci.busId);
  code = api.nvmlDeviceGetCudaComputeCapability(handle, &gpu.compute_major,
                                                &gpu.compute_minor);
  if (code != NVML_SUCCESS) {
    return error_of("nvmlDeviceGetCudaComputeCapability", code);
  }
  gpu.memory_bytes = memory_bytes_of(api, handle);
  gpu.fabric = query_fabric(api, handle);
  TRY_VOID(query_mig(api, handle, gpu));
  return std::optional(std::move(gpu));
}

}  // namespace gpunode::nvml
