// `gpunode cdi refresh`: the node's spec and the runtime's inventory made to
// agree with the driver. What the systemd units call.
#pragma once

#include "apps/gpunode/commands/cdi_generate.h"
#include "base/core/result.h"

namespace gpunode::cli {

/// Generates into request.output (kRefreshedSpec if empty) and keeps the
/// inventory at `cache_path`. Prints one line for each device that came or
/// went, "+ nvidia.com/gpu=0". Without a driver a spec of the same kind is
/// removed: what it promises cannot be kept any more.
Result<void> run_refresh(const GenerateRequest& request,
                         const std::string& cache_path,
                         host::CommandRunner& runner);

inline constexpr const char* kRefreshedSpec = "/var/run/cdi/nvidia.yaml";

}  // namespace gpunode::cli
