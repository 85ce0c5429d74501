#include "node/driver/gpu_services.h"

#include <array>

namespace gpunode::driver {

std::span<const GpuService> gpu_services() {
  // DCGM's unit was dcgm.service before its release 2; its exporter is a unit
  // where somebody wrote one, by one of these names.
  static constexpr auto kServices = std::to_array<GpuService>(
      {{"gpunode-agent.service", "gpunode-agent", false},
       {"dcgm-exporter.service", "dcgm-exporter", false},
       {"nvidia-dcgm-exporter.service", "dcgm-exporter", false},
       {"nvidia-dcgm.service", "nv-hostengine", false},
       {"dcgm.service", "nv-hostengine", false},
       {"nvidia-imex.service", "nvidia-imex", true},
       {"nvidia-fabricmanager.service", "nv-fabricmanage", true},
       {"nvidia-persistenced.service", "nvidia-persiste", true}});
  return kServices;
}

}  // namespace gpunode::driver
