// What NVML tells of GPUs that the kernel's files do not.
//
// In the C++ subset of the old-glibc class (docs/adr/0005).
#pragma once

#include <cstdio>

#include "gpu/abi/nvml.h"

namespace gpunode::probe {

/// One line a call: the member's name and the symbol behind it. All are in
/// every driver since MIG (450).
#define GPUNODE_PROBE_CALLS(X)                              \
  X(init, nvmlInit_v2)                                      \
  X(shutdown, nvmlShutdown)                                 \
  X(error_string, nvmlErrorString)                          \
  X(driver_version, nvmlSystemGetDriverVersion)             \
  X(cuda_version, nvmlSystemGetCudaDriverVersion_v2)        \
  X(count, nvmlDeviceGetCount_v2)                           \
  X(device, nvmlDeviceGetHandleByIndex_v2)                  \
  X(minor, nvmlDeviceGetMinorNumber)                        \
  X(uuid, nvmlDeviceGetUUID)                                \
  X(name, nvmlDeviceGetName)                                \
  X(pci, nvmlDeviceGetPciInfo_v3)                           \
  X(memory, nvmlDeviceGetMemoryInfo)                        \
  X(compute_capability, nvmlDeviceGetCudaComputeCapability) \
  X(mig_mode, nvmlDeviceGetMigMode)                         \
  X(mig_count, nvmlDeviceGetMaxMigDeviceCount)              \
  X(mig_device, nvmlDeviceGetMigDeviceHandleByIndex)        \
  X(gpu_instance, nvmlDeviceGetGpuInstanceId)               \
  X(compute_instance, nvmlDeviceGetComputeInstanceId)       \
  X(mig_attributes, nvmlDeviceGetAttributes_v2)

/// Null where the driver is older: that is no failure.
#define GPUNODE_PROBE_LATER_CALLS(X) X(fabric, nvmlDeviceGetGpuFabricInfo)

struct Nvml {
// NOLINTBEGIN(bugprone-macro-parentheses): `member` is declared.
#define GPUNODE_PROBE_MEMBER(member, symbol) \
  decltype(&::symbol) member = nullptr;
  GPUNODE_PROBE_CALLS(GPUNODE_PROBE_MEMBER)
  GPUNODE_PROBE_LATER_CALLS(GPUNODE_PROBE_MEMBER)
#undef GPUNODE_PROBE_MEMBER
  // NOLINTEND(bugprone-macro-parentheses)
};

/// Loads `library`, a path or a soname, for the life of the process. Returns
/// null or what the loader says.
const char* load_nvml(const char* library, Nvml* nvml);

/// Writes the report (docs/formats/probe.md) to `out`. What a GPU does not
/// answer is left out and told on `complaints`. False if NVML does not start:
/// nothing is written to `out` then.
bool report(const Nvml& nvml, std::FILE* out, std::FILE* complaints);

}  // namespace gpunode::probe
