// GPUs of NVML's report that something is true of, for what verify says.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "node/facts/gpu_health.h"

namespace gpunode::diagnose {

/// "0 (0000:00:1e.0), 3" of those that `fits` is true of; "" for none.
inline std::string gpus_where(
    const facts::NvmlHealth& health,
    const std::function<bool(const facts::GpuHealth&)>& fits) {
  std::vector<std::string> found;
  for (const facts::GpuHealth& gpu : health.gpus) {
    if (fits(gpu)) {
      found.push_back(gpu.bus_id.empty()
                          ? std::to_string(gpu.index)
                          : fmt::format("{} ({})", gpu.index, gpu.bus_id));
    }
  }
  return fmt::format("{}", fmt::join(found, ", "));
}

/// NVML told it, and it is `wanted`.
inline bool says(const std::optional<bool>& told, bool wanted) {
  return told && *told == wanted;
}

}  // namespace gpunode::diagnose
