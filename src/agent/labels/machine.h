// What the labels tell of the machine and not of its GPUs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gpu/device/vgpu.h"

namespace gpunode::labels {

struct Machine {
  /// The machine-type file as read; nothing: it cannot be read.
  std::optional<std::string> type;
  /// Nothing: config space cannot be read, so one does not know.
  std::optional<std::vector<device::Vgpu>> vgpus;
  /// Unix seconds; nothing: no timestamp is wanted.
  std::optional<std::int64_t> timestamp;
};

}  // namespace gpunode::labels
