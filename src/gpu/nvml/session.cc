#include "gpu/nvml/session.h"

#include <array>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "gpu/nvml/gpu_query.h"
#include "gpu/nvml/return_code.h"
#include "gpu/nvml/topology_query.h"

namespace gpunode::nvml {
namespace {

std::string_view remedy_of(nvmlReturn_t code) {
  switch (code) {
    case NVML_ERROR_DRIVER_NOT_LOADED:
      return "the NVIDIA kernel module is not loaded; load it with `modprobe "
             "nvidia`, or see `dmesg` for why it did not load";
    case NVML_ERROR_LIB_RM_VERSION_MISMATCH:
      return "the library and the loaded kernel module are of different driver "
             "versions; reboot, or reload the nvidia modules";
    case NVML_ERROR_NO_PERMISSION:
      return "this process may not open /dev/nvidiactl; run it privileged or "
             "with the NVIDIA devices allowed";
    default:
      return "see `dmesg` for messages of the NVIDIA driver";
  }
}

// A row remap or page retirement that waits for a reset: the GPU answers, but
// the memory that failed is still in use. Not told by every GPU.
bool awaits_memory_repair(const Api& api, nvmlDevice_t handle) {
  unsigned corrected = 0;
  unsigned uncorrected = 0;
  unsigned is_pending = 0;
  unsigned has_failed = 0;
  nvmlReturn_t code =
      call_optional(api.nvmlDeviceGetRemappedRows, handle, &corrected,
                    &uncorrected, &is_pending, &has_failed);
  if (code == NVML_SUCCESS) return is_pending != 0;
  nvmlEnableState_t is_retiring = 0;
  code = call_optional(api.nvmlDeviceGetRetiredPagesPendingStatus, handle,
                       &is_retiring);
  return code == NVML_SUCCESS && is_retiring != 0;
}

}  // namespace

Session::State::~State() {
  if (is_initialised) library.api().nvmlShutdown();
}

Result<Session> Session::start(Library library) {
  auto state = std::make_unique<State>(std::move(library));
  const nvmlReturn_t code = state->library.api().nvmlInit_v2();
  if (code != NVML_SUCCESS) {
    // The name first: it ends the message that NVIDIA's plugin gives.
    return Error(error_of("", code).code(),
                 fmt::format("{}: {}", name_of(code), remedy_of(code)));
  }
  state->is_initialised = true;
  return Session(std::move(state));
}

Result<std::string> Session::driver_version() const {
  std::array<char, NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE> version = {};
  const nvmlReturn_t code = library().api().nvmlSystemGetDriverVersion(
      version.data(), version.size() - 1);
  if (code != NVML_SUCCESS) return error_of("nvmlSystemGetDriverVersion", code);
  return std::string(version.data());
}

int Session::cuda_driver_version() const {
  const Api& api = library().api();
  int version = 0;
  if (call_optional(api.nvmlSystemGetCudaDriverVersion_v2, &version) ==
      NVML_SUCCESS) {
    return version;
  }
  // The first form answers from a table in NVML when there is no libcuda.
  return call_optional(api.nvmlSystemGetCudaDriverVersion, &version) ==
                 NVML_SUCCESS
             ? version
             : 0;
}

Result<device::Inventory> Session::inventory() const {
  const Api& api = library().api();
  device::Inventory inventory;
  TRY(inventory.driver_version, driver_version());
  inventory.cuda_driver_version = cuda_driver_version();
  unsigned count = 0;
  const nvmlReturn_t counted = api.nvmlDeviceGetCount_v2(&count);
  if (counted != NVML_SUCCESS) return error_of("nvmlDeviceGetCount", counted);

  std::vector<nvmlDevice_t> handles;
  for (device::Index index; index.value < count; ++index.value) {
    nvmlDevice_t handle = nullptr;
    const nvmlReturn_t found =
        api.nvmlDeviceGetHandleByIndex_v2(index.value, &handle);
    if (found != NVML_SUCCESS) {
      inventory.lost.push_back(
          {index, std::nullopt,
           error_of("nvmlDeviceGetHandleByIndex", found).message()});
      continue;
    }
    std::optional<device::DeviceId> id;
    auto gpu = query_gpu(api, handle, index, id);
    if (!gpu) {
      inventory.lost.push_back({index, id, gpu.error().message()});
    } else if (gpu->has_value()) {
      handles.push_back(handle);
      inventory.gpus.push_back(**std::move(gpu));
    }
  }
  inventory.topology = query_topology(api, handles, inventory.gpus);
  return inventory;
}

Result<void> Session::check_alive(const device::DeviceId& id) const {
  const Api& api = library().api();
  nvmlDevice_t handle = nullptr;
  nvmlReturn_t code = api.nvmlDeviceGetHandleByUUID(id.value.c_str(), &handle);
  if (code != NVML_SUCCESS) {
    return error_of(fmt::format("nvmlDeviceGetHandleByUUID {}", id.value),
                    code);
  }
  nvmlMemory_t memory = {};
  code = api.nvmlDeviceGetMemoryInfo(handle, &memory);
  if (code != NVML_SUCCESS && !is_unsupported(code)) {
    return error_of(fmt::format("nvmlDeviceGetMemoryInfo {}", id.value), code);
  }
  if (awaits_memory_repair(api, handle)) {
    return Error(ErrorCode::kUnavailable,
                 fmt::format("{}: memory repairs are pending; reset the GPU "
                             "(`nvidia-smi --gpu-reset`) or reboot",
                             id.value));
  }
  return {};
}

Result<std::vector<device::ProcessUse>> Session::processes(
    const device::DeviceId& id) const {
  const Api& api = library().api();
  nvmlDevice_t handle = nullptr;
  nvmlReturn_t code = api.nvmlDeviceGetHandleByUUID(id.value.c_str(), &handle);
  if (code != NVML_SUCCESS) {
    return error_of(fmt::format("nvmlDeviceGetHandleByUUID {}", id.value),
                    code);
  }
  // Both forms have entries of one layout.
  auto* const ask = api.nvmlDeviceGetComputeRunningProcesses_v3 != nullptr
                        ? api.nvmlDeviceGetComputeRunningProcesses_v3
                        : api.nvmlDeviceGetComputeRunningProcesses_v2;
  // More may have come when it is asked again with room for all.
  constexpr int kTries = 4;
  std::vector<nvmlProcessInfo_t> infos(64);
  for (int attempt = 0; attempt < kTries; ++attempt) {
    auto count = static_cast<unsigned>(infos.size());
    code = call_optional(ask, handle, &count, infos.data());
    if (code != NVML_ERROR_INSUFFICIENT_SIZE) {
      infos.resize(code == NVML_SUCCESS ? count : 0);
      break;
    }
    infos.resize(count + 64);
  }
  if (code != NVML_SUCCESS) {
    return error_of(
        fmt::format("nvmlDeviceGetComputeRunningProcesses {}", id.value), code);
  }
  constexpr std::uint64_t kNotTold = ~std::uint64_t{0};
  std::vector<device::ProcessUse> processes;
  for (const nvmlProcessInfo_t& info : infos) {
    if (info.usedGpuMemory == kNotTold) continue;
    processes.push_back({info.pid, info.usedGpuMemory});
  }
  return processes;
}

}  // namespace gpunode::nvml
