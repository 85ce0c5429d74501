// What one process holds of a Device, as the driver says.
#pragma once

#include <cstdint>

namespace gpunode::device {

struct ProcessUse {
  std::uint32_t pid = 0;    ///< Of the host.
  std::uint64_t bytes = 0;  ///< Of device memory, all that is the process's.

  friend bool operator==(const ProcessUse&, const ProcessUse&) = default;
};

}  // namespace gpunode::device
