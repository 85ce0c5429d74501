// The table of NVML calls, looked up by name in a library opened at run time.
//
// One list names every call the project makes; the table, the look-up and the
// report of what is missing are made from it. A required call is in every
// driver that can run containers (418 and later); an optional one came later,
// or is not in every build of the library, and its absence means "this driver
// cannot do that", never a failure to start.
#pragma once

#include "gpu/abi/nvml.h"

#define GPUNODE_NVML_REQUIRED(X)        \
  X(nvmlInit_v2)                        \
  X(nvmlShutdown)                       \
  X(nvmlSystemGetDriverVersion)         \
  X(nvmlDeviceGetCount_v2)              \
  X(nvmlDeviceGetHandleByIndex_v2)      \
  X(nvmlDeviceGetHandleByUUID)          \
  X(nvmlDeviceGetName)                  \
  X(nvmlDeviceGetUUID)                  \
  X(nvmlDeviceGetMinorNumber)           \
  X(nvmlDeviceGetPciInfo_v3)            \
  X(nvmlDeviceGetMemoryInfo)            \
  X(nvmlDeviceGetCudaComputeCapability) \
  X(nvmlDeviceGetSupportedEventTypes)   \
  X(nvmlDeviceRegisterEvents)           \
  X(nvmlEventSetCreate)                 \
  X(nvmlEventSetFree)                   \
  X(nvmlEventSetWait)

#define GPUNODE_NVML_OPTIONAL(X)             \
  X(nvmlSystemGetCudaDriverVersion)          \
  X(nvmlSystemGetCudaDriverVersion_v2)       \
  X(nvmlEventSetWait_v2)                     \
  X(nvmlDeviceGetMigMode)                    \
  X(nvmlDeviceGetMaxMigDeviceCount)          \
  X(nvmlDeviceGetMigDeviceHandleByIndex)     \
  X(nvmlDeviceGetGpuInstanceId)              \
  X(nvmlDeviceGetComputeInstanceId)          \
  X(nvmlDeviceGetAttributes_v2)              \
  X(nvmlDeviceGetGpuInstanceProfileInfo)     \
  X(nvmlDeviceGetGpuInstanceById)            \
  X(nvmlGpuInstanceGetInfo)                  \
  X(nvmlDeviceGetTopologyCommonAncestor)     \
  X(nvmlDeviceGetGpuFabricInfo)              \
  X(nvmlDeviceGetNvLinkState)                \
  X(nvmlDeviceGetNvLinkRemotePciInfo_v2)     \
  X(nvmlDeviceGetRemappedRows)               \
  X(nvmlDeviceGetComputeRunningProcesses_v2) \
  X(nvmlDeviceGetComputeRunningProcesses_v3) \
  X(nvmlDeviceGetRetiredPagesPendingStatus)

namespace gpunode::nvml {

/// Pointers into an open Library. Required ones are never null; an optional
/// one is called through call_optional().
struct Api {
// NOLINTNEXTLINE(bugprone-macro-parentheses): `name` is declared.
#define GPUNODE_NVML_MEMBER(name) decltype(&::name) name = nullptr;
  GPUNODE_NVML_REQUIRED(GPUNODE_NVML_MEMBER)
  GPUNODE_NVML_OPTIONAL(GPUNODE_NVML_MEMBER)
#undef GPUNODE_NVML_MEMBER
};

/// What NVML itself answers for a call that an older driver lacks.
template <class Function, class... Args>
nvmlReturn_t call_optional(Function* function, Args... args) {
  return function == nullptr ? NVML_ERROR_FUNCTION_NOT_FOUND
                             : function(args...);
}

}  // namespace gpunode::nvml
