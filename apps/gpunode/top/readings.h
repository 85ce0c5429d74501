// What `gpunode-probe --use` says of the GPUs (docs/formats/probe.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/gpunode/top/snapshot.h"
#include "base/core/result.h"

namespace gpunode::top {

struct ProcessReading {
  std::uint32_t pid = 0;
  std::optional<std::uint64_t> bytes;
  std::optional<std::uint64_t> sm_percent;
};

struct GpuReading {
  GpuRow gpu;
  std::vector<ProcessReading> processes;
};

struct Readings {
  std::string driver_version;
  std::vector<GpuReading> gpus;
};

/// kCorrupt for what is no such report; kUnavailable, with the driver's words,
/// where NVML has not started. Members that are not what they should be are as
/// good as absent.
Result<Readings> parse_readings(std::string_view report);

}  // namespace gpunode::top
