// Whether NVML says that the GPUs are well: for `gpunode verify`.
//
// In the C++ subset of the old-glibc class (docs/adr/0005).
#pragma once

#include <cstdio>

#include "gpu/abi/nvml.h"

namespace gpunode::probe {

/// One line a call: the member's name and the symbol behind it. Any may be
/// null, where the driver is older, but for the first ones.
#define GPUNODE_HEALTH_CALLS(X)                              \
  X(init, nvmlInit_v2)                                       \
  X(shutdown, nvmlShutdown)                                  \
  X(error_string, nvmlErrorString)                           \
  X(count, nvmlDeviceGetCount_v2)                            \
  X(device, nvmlDeviceGetHandleByIndex_v2)                   \
  X(driver_version, nvmlSystemGetDriverVersion)              \
  X(nvml_version, nvmlSystemGetNVMLVersion)                  \
  X(uuid, nvmlDeviceGetUUID)                                 \
  X(pci, nvmlDeviceGetPciInfo_v3)                            \
  X(persistence, nvmlDeviceGetPersistenceMode)               \
  X(ecc, nvmlDeviceGetEccMode)                               \
  X(remapped_rows, nvmlDeviceGetRemappedRows)                \
  X(retired_pending, nvmlDeviceGetRetiredPagesPendingStatus) \
  X(mig_mode, nvmlDeviceGetMigMode)                          \
  X(fabric, nvmlDeviceGetGpuFabricInfo)

struct HealthCalls {
// NOLINTBEGIN(bugprone-macro-parentheses): `member` is declared.
#define GPUNODE_HEALTH_MEMBER(member, symbol) \
  decltype(&::symbol) member = nullptr;
  GPUNODE_HEALTH_CALLS(GPUNODE_HEALTH_MEMBER)
#undef GPUNODE_HEALTH_MEMBER
  // NOLINTEND(bugprone-macro-parentheses)
};

/// Loads `library`, a path or a soname, for the life of the process. Returns
/// null or what is wrong with it.
const char* load_health(const char* library, HealthCalls* calls);

/// Writes the report (docs/formats/probe.md) to `out`, also where NVML does not
/// start: it says why then.
void report_health(const HealthCalls& calls, std::FILE* out);

}  // namespace gpunode::probe
