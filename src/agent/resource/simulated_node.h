// Inventories for tests and benchmarks, built from a few words.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "gpu/device/inventory.h"

namespace gpunode::resource {

/// "GPU-00000074-0000-0000-0000-00000000000N".
inline std::string uuid_of(unsigned gpu) {
  return fmt::format("GPU-00000074-0000-0000-0000-{:012}", gpu);
}

/// A node whose GPUs have the minor numbers 0, 1, … and equal links.
inline device::Inventory simulated_node(unsigned gpus) {
  device::Inventory inventory;
  inventory.topology = device::Topology(gpus);
  for (unsigned i = 0; i < gpus; ++i) {
    device::Gpu gpu;
    gpu.id = {uuid_of(i)};
    gpu.index = {i};
    gpu.minor = {i};
    gpu.name = "NVIDIA T4";
    gpu.memory_bytes = std::size_t{16} << 30U;
    gpu.compute_major = 7;
    gpu.compute_minor = 5;
    inventory.gpus.push_back(gpu);
    for (unsigned j = 0; j < i; ++j) {
      inventory.topology.set(i, j, {device::PciLink::kCrossCpu, 0});
    }
  }
  return inventory;
}

/// Adds a MIG device "1g.5gb" (or another profile with as many compute slices)
/// to a GPU, which becomes MIG-enabled. The GPU instance is 7 + its position.
inline device::MigDevice& add_mig(device::Gpu& gpu,
                                  const std::string& profile = "1g.5gb",
                                  unsigned slices = 1) {
  const auto position = static_cast<unsigned>(gpu.mig_devices.size());
  gpu.mig_capable = true;
  gpu.mig_enabled = true;
  device::MigDevice mig;
  mig.id = {fmt::format("MIG-{:08}-0000-0000-0000-{:012}", gpu.index.value,
                        position)};
  mig.mig_index = position;
  mig.gpu_instance = 7 + position;
  mig.profile = profile;
  mig.attributes.gpu_instance_slices = slices;
  mig.attributes.compute_instance_slices = slices;
  mig.attributes.memory_mib = 4864ULL * slices;
  mig.gpu_instance_cap_path =
      fmt::format("/dev/nvidia-caps/nvidia-cap{}", 66 + 9 * position);
  mig.compute_instance_cap_path =
      fmt::format("/dev/nvidia-caps/nvidia-cap{}", 67 + 9 * position);
  gpu.mig_devices.push_back(mig);
  return gpu.mig_devices.back();
}

}  // namespace gpunode::resource
