// What the GPUs do at this moment, and for whom: for `gpunode top`.
//
// In the C++ subset of the old-glibc class (docs/adr/0005).
#pragma once

#include <cstdio>

#include "gpu/abi/nvml.h"

namespace gpunode::probe {

/// One line a call: the member's name and the symbol behind it. Any may be
/// null, where the driver is older, but for the first ones.
#define GPUNODE_USE_CALLS(X)                                  \
  X(init, nvmlInit_v2)                                        \
  X(shutdown, nvmlShutdown)                                   \
  X(error_string, nvmlErrorString)                            \
  X(count, nvmlDeviceGetCount_v2)                             \
  X(device, nvmlDeviceGetHandleByIndex_v2)                    \
  X(driver_version, nvmlSystemGetDriverVersion)               \
  X(uuid, nvmlDeviceGetUUID)                                  \
  X(name, nvmlDeviceGetName)                                  \
  X(memory, nvmlDeviceGetMemoryInfo)                          \
  X(utilization, nvmlDeviceGetUtilizationRates)               \
  X(temperature, nvmlDeviceGetTemperature)                    \
  X(power, nvmlDeviceGetPowerUsage)                           \
  X(power_limit, nvmlDeviceGetEnforcedPowerLimit)             \
  X(remapped_rows, nvmlDeviceGetRemappedRows)                 \
  X(retired_pending, nvmlDeviceGetRetiredPagesPendingStatus)  \
  X(mig_mode, nvmlDeviceGetMigMode)                           \
  X(processes, nvmlDeviceGetComputeRunningProcesses_v3)       \
  X(older_processes, nvmlDeviceGetComputeRunningProcesses_v2) \
  X(process_use, nvmlDeviceGetProcessUtilization)

struct UseCalls {
// NOLINTBEGIN(bugprone-macro-parentheses): `member` is declared.
#define GPUNODE_USE_MEMBER(member, symbol) decltype(&::symbol) member = nullptr;
  GPUNODE_USE_CALLS(GPUNODE_USE_MEMBER)
#undef GPUNODE_USE_MEMBER
  // NOLINTEND(bugprone-macro-parentheses)
};

/// Loads `library`, a path or a soname, for the life of the process. Returns
/// null or what is wrong with it.
const char* load_use(const char* library, UseCalls* calls);

/// Writes the report (docs/formats/probe.md) to `out`, also where NVML does not
/// start: it says why then.
void report_use(const UseCalls& calls, std::FILE* out);

}  // namespace gpunode::probe
