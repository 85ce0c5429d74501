// NVML's functions that this library stands in for, and where the real ones
// are.
#pragma once

#include <atomic>

#include "gpu/abi/nvml.h"

namespace gpunode::share {

/// Lists of processes: name, what its entries are, and whether they are of
/// those that the ledger knows.
#define GPUNODE_PROCESS_LISTS(X)                                          \
  X(nvmlDeviceGetComputeRunningProcesses, nvmlProcessInfo_v1_t, true)     \
  X(nvmlDeviceGetComputeRunningProcesses_v2, nvmlProcessInfo_t, true)     \
  X(nvmlDeviceGetComputeRunningProcesses_v3, nvmlProcessInfo_t, true)     \
  X(nvmlDeviceGetGraphicsRunningProcesses, nvmlProcessInfo_v1_t, false)   \
  X(nvmlDeviceGetGraphicsRunningProcesses_v2, nvmlProcessInfo_t, false)   \
  X(nvmlDeviceGetGraphicsRunningProcesses_v3, nvmlProcessInfo_t, false)   \
  X(nvmlDeviceGetMPSComputeRunningProcesses, nvmlProcessInfo_v1_t, false) \
  X(nvmlDeviceGetMPSComputeRunningProcesses_v2, nvmlProcessInfo_t, false) \
  X(nvmlDeviceGetMPSComputeRunningProcesses_v3, nvmlProcessInfo_t, false)

/// The rest of what is replaced, and what is only called: name.
#define GPUNODE_NVML_OTHERS(X)  \
  X(nvmlDeviceGetMemoryInfo)    \
  X(nvmlDeviceGetMemoryInfo_v2) \
  X(nvmlDeviceGetRunningProcessDetailList)
#define GPUNODE_NVML_CALLED(X)  \
  X(nvmlDeviceGetUUID)          \
  X(nvmlDeviceGetGpuInstanceId) \
  X(nvmlDeviceGetComputeInstanceId)

/// Null members are functions that this NVML does not have.
struct Nvml {
// NOLINTBEGIN(bugprone-macro-parentheses): `name` is declared.
#define GPUNODE_MEMBER(name, ...) std::atomic<decltype(&::name)> name = nullptr;
  GPUNODE_PROCESS_LISTS(GPUNODE_MEMBER)
  GPUNODE_NVML_OTHERS(GPUNODE_MEMBER)
  GPUNODE_NVML_CALLED(GPUNODE_MEMBER)
#undef GPUNODE_MEMBER
  // NOLINTEND(bugprone-macro-parentheses)
};

/// The one of this process: filled when NVML is first asked for something.
Nvml& nvml();
/// False as long as libnvidia-ml.so.1 isn't loaded.
bool is_nvml_known();

/// Ours in place of a function of NVML; `real` itself if there is none. `real`
/// may be anything, null too.
void* replaced_of_nvml(void* real);

}  // namespace gpunode::share
