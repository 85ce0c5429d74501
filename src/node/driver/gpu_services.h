// Services that keep GPUs open, and with them the driver's modules in the
// kernel: what must stop before others can be loaded.
#pragma once

#include <span>
#include <string_view>

namespace gpunode::driver {

struct GpuService {
  std::string_view unit;
  std::string_view process;  ///< As the kernel cuts names, at 15 characters.
  /// It comes with the driver. The others run beside it: ours, and DCGM's.
  bool is_drivers = false;
};

/// In the order in which they stop; they start in the reverse one.
std::span<const GpuService> gpu_services();

}  // namespace gpunode::driver
