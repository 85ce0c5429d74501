// Processes, use, and the numbers that a GPU measures of itself.
#include <algorithm>

#include "gpu/abi/nvml.h"
#include "tests/doubles/nvml/driver.h"

using gpunode::fake_nvml::answer;
using gpunode::fake_nvml::answer_unsupported;
using gpunode::fake_nvml::Call;
using gpunode::fake_nvml::GpuSpec;
using gpunode::fake_nvml::ProcessSpec;
using gpunode::fake_nvml::Session;

namespace {

/// How many samples a caller is asked to have room for.
constexpr unsigned kSampleRoom = 72;

void fill(const ProcessSpec& process, nvmlProcessInfo_t& info) {
  info = {process.pid, process.used_bytes, process.gpu_instance,
          process.compute_instance};
}

void fill(const ProcessSpec& process, nvmlProcessInfo_v1_t& info) {
  info = {process.pid, process.used_bytes};
}

void fill(const ProcessSpec& process, nvmlProcessDetail_v1_t& info) {
  info = {process.pid, process.used_bytes, process.gpu_instance,
          process.compute_instance, 0};
}

template <class Info>
nvmlReturn_t compute_processes(Call call, nvmlDevice_t handle, unsigned* count,
                               Info* infos) {
  return answer(call, handle, [&](const Session&, nvmlDevice_st& device) {
    if (count == nullptr || (*count != 0 && infos == nullptr)) {
      return NVML_ERROR_INVALID_ARGUMENT;
    }
    const unsigned room = *count;
    *count = 0;
    for (const ProcessSpec& process : device.gpu->processes) {
      if (device.mig != nullptr &&
          process.gpu_instance != device.mig->gpu_instance) {
        continue;
      }
      if (*count < room) fill(process, infos[*count]);
      ++*count;
    }
    return *count > room ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS;
  });
}

nvmlReturn_t no_processes(Call call, nvmlDevice_t handle, unsigned* count) {
  return answer(call, handle, [count](const Session&, nvmlDevice_st&) {
    if (count == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
    *count = 0;
    return NVML_SUCCESS;
  });
}

/// A measured number; a profile without it is a GPU without the sensor.
nvmlReturn_t measured(Call call, nvmlDevice_t handle, unsigned GpuSpec::*number,
                      unsigned* into) {
  return answer(call, handle, [&](const Session&, nvmlDevice_st& device) {
    if (into == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
    const unsigned value = device.gpu->*number;
    if (value == 0) return NVML_ERROR_NOT_SUPPORTED;
    *into = value;
    return NVML_SUCCESS;
  });
}

bool has_row_remapping(const GpuSpec& gpu) {
  return gpu.has_ecc && gpu.architecture >= NVML_DEVICE_ARCH_AMPERE;
}

}  // namespace

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses(nvmlDevice_t device,
                                                  unsigned* count,
                                                  nvmlProcessInfo_v1_t* infos) {
  return compute_processes(Call::knvmlDeviceGetComputeRunningProcesses, device,
                           count, infos);
}

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v2(nvmlDevice_t device,
                                                     unsigned* count,
                                                     nvmlProcessInfo_t* infos) {
  return compute_processes(Call::knvmlDeviceGetComputeRunningProcesses_v2,
                           device, count, infos);
}

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device,
                                                     unsigned* count,
                                                     nvmlProcessInfo_t* infos) {
  return compute_processes(Call::knvmlDeviceGetComputeRunningProcesses_v3,
                           device, count, infos);
}

nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses(
    nvmlDevice_t device, unsigned* count, nvmlProcessInfo_v1_t* /*infos*/) {
  return no_processes(Call::knvmlDeviceGetGraphicsRunningProcesses, device,
                      count);
}

nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v2(
    nvmlDevice_t device, unsigned* count, nvmlProcessInfo_t* /*infos*/) {
  return no_processes(Call::knvmlDeviceGetGraphicsRunningProcesses_v2, device,
                      count);
}

nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v3(
    nvmlDevice_t device, unsigned* count, nvmlProcessInfo_t* /*infos*/) {
  return no_processes(Call::knvmlDeviceGetGraphicsRunningProcesses_v3, device,
                      count);
}

nvmlReturn_t nvmlDeviceGetMPSComputeRunningProcesses(
    nvmlDevice_t device, unsigned* count, nvmlProcessInfo_v1_t* /*infos*/) {
  return no_processes(Call::knvmlDeviceGetMPSComputeRunningProcesses, device,
                      count);
}

nvmlReturn_t nvmlDeviceGetMPSComputeRunningProcesses_v2(
    nvmlDevice_t device, unsigned* count, nvmlProcessInfo_t* /*infos*/) {
  return no_processes(Call::knvmlDeviceGetMPSComputeRunningProcesses_v2, device,
                      count);
}

nvmlReturn_t nvmlDeviceGetMPSComputeRunningProcesses_v3(
    nvmlDevice_t device, unsigned* count, nvmlProcessInfo_t* /*infos*/) {
  return no_processes(Call::knvmlDeviceGetMPSComputeRunningProcesses_v3, device,
                      count);
}

nvmlReturn_t nvmlDeviceGetRunningProcessDetailList(
    nvmlDevice_t device, nvmlProcessDetailList_v1_t* list) {
  constexpr Call kCall = Call::knvmlDeviceGetRunningProcessDetailList;
  if (list == nullptr) return no_processes(kCall, device, nullptr);
  if (list->version != NVML_STRUCT_VERSION(nvmlProcessDetailList_v1_t, 1)) {
    return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
  }
  if (list->mode > NVML_PROCESS_MODE_MPS) return NVML_ERROR_INVALID_ARGUMENT;
  if (list->mode != NVML_PROCESS_MODE_COMPUTE) {
    return no_processes(kCall, device, &list->numProcArrayEntries);
  }
  return compute_processes(kCall, device, &list->numProcArrayEntries,
                           list->procArray);
}

nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device,
                                           nvmlUtilization_t* utilization) {
  return answer(Call::knvmlDeviceGetUtilizationRates, device,
                [&](const Session&, nvmlDevice_st& found) {
                  if (utilization == nullptr) {
                    return NVML_ERROR_INVALID_ARGUMENT;
                  }
                  if (found.gpu->mig_enabled) return NVML_ERROR_NOT_SUPPORTED;
                  *utilization = {};
                  for (const ProcessSpec& process : found.gpu->processes) {
                    utilization->gpu =
                        std::min(utilization->gpu + process.sm_percent, 100U);
                  }
                  return NVML_SUCCESS;
                });
}

nvmlReturn_t nvmlDeviceGetProcessUtilization(
    nvmlDevice_t device, nvmlProcessUtilizationSample_t* samples,
    unsigned* count, unsigned long long last_seen_time_stamp) {
  return answer(Call::knvmlDeviceGetProcessUtilization, device,
                [&](const Session&, nvmlDevice_st& found) {
                  if (count == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
                  if (found.gpu->mig_enabled) return NVML_ERROR_NOT_SUPPORTED;
                  if (samples == nullptr) {
                    *count = kSampleRoom;
                    return NVML_ERROR_INSUFFICIENT_SIZE;
                  }
                  const unsigned room = *count;
                  *count = 0;
                  for (const ProcessSpec& process : found.gpu->processes) {
                    if (process.sm_percent == 0) continue;
                    if (*count < room) {
                      samples[*count] = {process.pid,
                                         last_seen_time_stamp + 1,
                                         process.sm_percent,
                                         0,
                                         0,
                                         0};
                    }
                    ++*count;
                  }
                  if (*count == 0) return NVML_ERROR_NOT_FOUND;
                  return *count > room ? NVML_ERROR_INSUFFICIENT_SIZE
                                       : NVML_SUCCESS;
                });
}

nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, int /*sensor*/,
                                      unsigned* celsius) {
  return measured(Call::knvmlDeviceGetTemperature, device,
                  &GpuSpec::temperature_celsius, celsius);
}

nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device,
                                     unsigned* milliwatts) {
  return measured(Call::knvmlDeviceGetPowerUsage, device,
                  &GpuSpec::power_milliwatts, milliwatts);
}

nvmlReturn_t nvmlDeviceGetEnforcedPowerLimit(nvmlDevice_t device,
                                             unsigned* milliwatts) {
  return measured(Call::knvmlDeviceGetEnforcedPowerLimit, device,
                  &GpuSpec::power_limit_milliwatts, milliwatts);
}

// A number that grows with time has no place in a fixed profile.
nvmlReturn_t nvmlDeviceGetTotalEnergyConsumption(
    nvmlDevice_t device, unsigned long long* /*millijoules*/) {
  return answer_unsupported(Call::knvmlDeviceGetTotalEnergyConsumption, device);
}

nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t device, int type,
                                    unsigned* mhz) {
  return measured(Call::knvmlDeviceGetClockInfo, device,
                  type == NVML_CLOCK_MEM ? &GpuSpec::memory_clock_mhz
                                         : &GpuSpec::sm_clock_mhz,
                  mhz);
}

nvmlReturn_t nvmlDeviceGetMaxClockInfo(nvmlDevice_t device, int type,
                                       unsigned* mhz) {
  return measured(Call::knvmlDeviceGetMaxClockInfo, device,
                  type == NVML_CLOCK_MEM ? &GpuSpec::memory_clock_mhz
                                         : &GpuSpec::max_sm_clock_mhz,
                  mhz);
}

nvmlReturn_t nvmlDeviceGetPerformanceState(nvmlDevice_t device, int* state) {
  return gpunode::fake_nvml::answer_value(
      Call::knvmlDeviceGetPerformanceState, device, state,
      [](const nvmlDevice_st&) { return 0; });
}

// Boards of servers are cooled by the chassis.
nvmlReturn_t nvmlDeviceGetFanSpeed(nvmlDevice_t device, unsigned* /*percent*/) {
  return answer_unsupported(Call::knvmlDeviceGetFanSpeed, device);
}

nvmlReturn_t nvmlDeviceGetEccMode(nvmlDevice_t device,
                                  nvmlEnableState_t* current,
                                  nvmlEnableState_t* pending) {
  return answer(Call::knvmlDeviceGetEccMode, device,
                [&](const Session&, nvmlDevice_st& found) {
                  if (current == nullptr || pending == nullptr) {
                    return NVML_ERROR_INVALID_ARGUMENT;
                  }
                  if (!found.gpu->has_ecc) return NVML_ERROR_NOT_SUPPORTED;
                  *current = 1;
                  *pending = found.gpu->ecc_pending ? 1 : 0;
                  return NVML_SUCCESS;
                });
}

nvmlReturn_t nvmlDeviceGetTotalEccErrors(nvmlDevice_t device,
                                         int /*error_type*/,
                                         int /*counter_type*/,
                                         unsigned long long* count) {
  return answer(Call::knvmlDeviceGetTotalEccErrors, device,
                [&](const Session&, nvmlDevice_st& found) {
                  if (count == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
                  if (!found.gpu->has_ecc) return NVML_ERROR_NOT_SUPPORTED;
                  *count = 0;
                  return NVML_SUCCESS;
                });
}

nvmlReturn_t nvmlDeviceGetRetiredPages(nvmlDevice_t device, int /*cause*/,
                                       unsigned* count,
                                       unsigned long long* /*addresses*/) {
  return answer(Call::knvmlDeviceGetRetiredPages, device,
                [&](const Session&, nvmlDevice_st& found) {
                  if (count == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
                  if (!found.gpu->has_ecc || has_row_remapping(*found.gpu)) {
                    return NVML_ERROR_NOT_SUPPORTED;
                  }
                  *count = 0;
                  return NVML_SUCCESS;
                });
}

nvmlReturn_t nvmlDeviceGetRetiredPagesPendingStatus(
    nvmlDevice_t device, nvmlEnableState_t* is_pending) {
  return answer(Call::knvmlDeviceGetRetiredPagesPendingStatus, device,
                [&](const Session&, nvmlDevice_st& found) {
                  if (is_pending == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
                  if (!found.gpu->has_ecc || has_row_remapping(*found.gpu)) {
                    return NVML_ERROR_NOT_SUPPORTED;
                  }
                  *is_pending = 0;
                  return NVML_SUCCESS;
                });
}

nvmlReturn_t nvmlDeviceGetRemappedRows(nvmlDevice_t device, unsigned* corrected,
                                       unsigned* uncorrected,
                                       unsigned* is_pending,
                                       unsigned* failure_occurred) {
  return answer(Call::knvmlDeviceGetRemappedRows, device,
                [&](const Session&, nvmlDevice_st& found) {
                  if (corrected == nullptr || uncorrected == nullptr ||
                      is_pending == nullptr || failure_occurred == nullptr) {
                    return NVML_ERROR_INVALID_ARGUMENT;
                  }
                  if (!has_row_remapping(*found.gpu)) {
                    return NVML_ERROR_NOT_SUPPORTED;
                  }
                  *corrected = *uncorrected = 0;
                  *is_pending = found.gpu->remap_pending ? 1 : 0;
                  *failure_occurred = found.gpu->remap_failed ? 1 : 0;
                  return NVML_SUCCESS;
                });
}
