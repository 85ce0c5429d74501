// The calls that the double answers, each name once.
//
// The position of a name is its place in ControlRegion::counts, so the library
// and the programs that read counts must come from one build.
#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace gpunode::fake_nvml {

// NOLINTNEXTLINE(readability-identifier-naming): an X macro.
#define FAKE_NVML_CALLS(X)                        \
  X(nvmlInit)                                     \
  X(nvmlInit_v2)                                  \
  X(nvmlInitWithFlags)                            \
  X(nvmlShutdown)                                 \
  X(nvmlErrorString)                              \
  X(nvmlSystemGetDriverVersion)                   \
  X(nvmlSystemGetNVMLVersion)                     \
  X(nvmlSystemGetCudaDriverVersion)               \
  X(nvmlSystemGetCudaDriverVersion_v2)            \
  X(nvmlSystemGetProcessName)                     \
  X(nvmlDeviceGetCount)                           \
  X(nvmlDeviceGetCount_v2)                        \
  X(nvmlDeviceGetHandleByIndex)                   \
  X(nvmlDeviceGetHandleByIndex_v2)                \
  X(nvmlDeviceGetHandleByUUID)                    \
  X(nvmlDeviceGetHandleBySerial)                  \
  X(nvmlDeviceGetHandleByPciBusId)                \
  X(nvmlDeviceGetHandleByPciBusId_v2)             \
  X(nvmlDeviceGetName)                            \
  X(nvmlDeviceGetUUID)                            \
  X(nvmlDeviceGetIndex)                           \
  X(nvmlDeviceGetMinorNumber)                     \
  X(nvmlDeviceGetSerial)                          \
  X(nvmlDeviceGetBoardPartNumber)                 \
  X(nvmlDeviceGetVbiosVersion)                    \
  X(nvmlDeviceGetBrand)                           \
  X(nvmlDeviceGetArchitecture)                    \
  X(nvmlDeviceGetCudaComputeCapability)           \
  X(nvmlDeviceGetPciInfo)                         \
  X(nvmlDeviceGetPciInfo_v2)                      \
  X(nvmlDeviceGetPciInfo_v3)                      \
  X(nvmlDeviceGetMemoryInfo)                      \
  X(nvmlDeviceGetMemoryInfo_v2)                   \
  X(nvmlDeviceGetBAR1MemoryInfo)                  \
  X(nvmlDeviceGetNumaNodeId)                      \
  X(nvmlDeviceGetPersistenceMode)                 \
  X(nvmlDeviceGetComputeMode)                     \
  X(nvmlDeviceGetVirtualizationMode)              \
  X(nvmlDeviceGetMigMode)                         \
  X(nvmlDeviceGetMaxMigDeviceCount)               \
  X(nvmlDeviceGetMigDeviceHandleByIndex)          \
  X(nvmlDeviceIsMigDeviceHandle)                  \
  X(nvmlDeviceGetDeviceHandleFromMigDeviceHandle) \
  X(nvmlDeviceGetGpuInstanceId)                   \
  X(nvmlDeviceGetComputeInstanceId)               \
  X(nvmlDeviceGetAttributes)                      \
  X(nvmlDeviceGetAttributes_v2)                   \
  X(nvmlDeviceGetGpuInstanceProfileInfo)          \
  X(nvmlDeviceGetGpuInstanceProfileInfoV)         \
  X(nvmlDeviceGetGpuInstances)                    \
  X(nvmlDeviceGetGpuInstanceById)                 \
  X(nvmlGpuInstanceGetInfo)                       \
  X(nvmlGpuInstanceGetComputeInstanceProfileInfo) \
  X(nvmlGpuInstanceGetComputeInstances)           \
  X(nvmlGpuInstanceGetComputeInstanceById)        \
  X(nvmlComputeInstanceGetInfo)                   \
  X(nvmlComputeInstanceGetInfo_v2)                \
  X(nvmlDeviceGetTopologyCommonAncestor)          \
  X(nvmlDeviceOnSameBoard)                        \
  X(nvmlDeviceGetNvLinkState)                     \
  X(nvmlDeviceGetNvLinkVersion)                   \
  X(nvmlDeviceGetNvLinkRemotePciInfo)             \
  X(nvmlDeviceGetNvLinkRemotePciInfo_v2)          \
  X(nvmlDeviceGetNvLinkRemoteDeviceType)          \
  X(nvmlDeviceGetGpuFabricInfo)                   \
  X(nvmlDeviceGetGpuFabricInfoV)                  \
  X(nvmlDeviceGetCpuAffinity)                     \
  X(nvmlDeviceGetMemoryAffinity)                  \
  X(nvmlEventSetCreate)                           \
  X(nvmlEventSetFree)                             \
  X(nvmlDeviceRegisterEvents)                     \
  X(nvmlDeviceGetSupportedEventTypes)             \
  X(nvmlEventSetWait)                             \
  X(nvmlEventSetWait_v2)                          \
  X(nvmlDeviceGetComputeRunningProcesses)         \
  X(nvmlDeviceGetComputeRunningProcesses_v2)      \
  X(nvmlDeviceGetComputeRunningProcesses_v3)      \
  X(nvmlDeviceGetGraphicsRunningProcesses)        \
  X(nvmlDeviceGetGraphicsRunningProcesses_v2)     \
  X(nvmlDeviceGetGraphicsRunningProcesses_v3)     \
  X(nvmlDeviceGetMPSComputeRunningProcesses)      \
  X(nvmlDeviceGetMPSComputeRunningProcesses_v2)   \
  X(nvmlDeviceGetMPSComputeRunningProcesses_v3)   \
  X(nvmlDeviceGetRunningProcessDetailList)        \
  X(nvmlDeviceGetUtilizationRates)                \
  X(nvmlDeviceGetProcessUtilization)              \
  X(nvmlDeviceGetTemperature)                     \
  X(nvmlDeviceGetPowerUsage)                      \
  X(nvmlDeviceGetEnforcedPowerLimit)              \
  X(nvmlDeviceGetTotalEnergyConsumption)          \
  X(nvmlDeviceGetClockInfo)                       \
  X(nvmlDeviceGetMaxClockInfo)                    \
  X(nvmlDeviceGetPerformanceState)                \
  X(nvmlDeviceGetFanSpeed)                        \
  X(nvmlDeviceGetEccMode)                         \
  X(nvmlDeviceGetTotalEccErrors)                  \
  X(nvmlDeviceGetRetiredPages)                    \
  X(nvmlDeviceGetRetiredPagesPendingStatus)       \
  X(nvmlDeviceGetRemappedRows)

enum class Call : unsigned {
#define X(name) k##name,
  FAKE_NVML_CALLS(X)
#undef X
      kCount,
};

inline constexpr unsigned kCallCount = static_cast<unsigned>(Call::kCount);

inline constexpr std::array<std::string_view, kCallCount> kCallNames = {
#define X(name) #name,
    FAKE_NVML_CALLS(X)
#undef X
};

/// Nothing for a name that the double does not have.
constexpr std::optional<Call> call_named(std::string_view name) {
  for (unsigned i = 0; i < kCallCount; ++i) {
    if (kCallNames[i] == name) return static_cast<Call>(i);
  }
  return std::nullopt;
}

}  // namespace gpunode::fake_nvml
