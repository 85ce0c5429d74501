// Affinity: how much two full GPUs of a Resource want to be together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "agent/resource/resource.h"
#include "gpu/device/topology.h"

namespace gpunode::resource {

/// Pair scores over the Devices of one Resource, read from the Topology once.
///
/// The score is NVIDIA's: 10 (across CPUs) to 60 (same board) for the PCIe
/// path, and 100 for each direct NVLink. Whether the pair shares a NUMA node
/// is added far below that, so that it only ever decides between sets that
/// NVIDIA's plugin holds to be equal.
class Affinity {
 public:
  Affinity(const std::vector<Device>& devices,
           const device::Topology& topology);

  std::size_t size() const { return size_; }

  /// 0 for a Device with itself. Sums over the pairs of 16 Devices fit.
  std::int32_t score(std::size_t a, std::size_t b) const {
    return scores_[a * size_ + b];
  }

 private:
  std::size_t size_;
  std::vector<std::int32_t> scores_;
};

}  // namespace gpunode::resource
