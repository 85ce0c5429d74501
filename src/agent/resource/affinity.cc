#include "agent/resource/affinity.h"

#include <algorithm>

namespace gpunode::resource {
namespace {

// More than the pairs of 16 GPUs, so that NUMA never outweighs one point.
constexpr std::int32_t kNumaScale = 128;
// NVML's NVLINK_MAX_LINKS; keeps a bad count from overflowing sums.
constexpr unsigned kMaxNvlinks = 18;

std::int32_t pci_score(device::PciLink link) {
  switch (link) {
    case device::PciLink::kUnknown:
      return 0;
    case device::PciLink::kCrossCpu:
      return 10;
    case device::PciLink::kSameCpu:
      return 20;
    case device::PciLink::kHostBridge:
      return 30;
    case device::PciLink::kMultiSwitch:
      return 40;
    case device::PciLink::kSingleSwitch:
      return 50;
    case device::PciLink::kSameBoard:
      return 60;
  }
  return 0;
}

}  // namespace

Affinity::Affinity(const std::vector<Device>& devices,
                   const device::Topology& topology)
    : size_(devices.size()), scores_(devices.size() * devices.size()) {
  for (std::size_t a = 0; a < size_; ++a) {
    for (std::size_t b = 0; b < size_; ++b) {
      if (a == b) continue;
      const device::Link link =
          topology.link(devices[a].topology_row, devices[b].topology_row);
      const auto nvlinks =
          static_cast<std::int32_t>(std::min(link.nvlinks, kMaxNvlinks));
      const bool same_numa = devices[a].numa_node.has_value() &&
                             devices[a].numa_node == devices[b].numa_node;
      scores_[a * size_ + b] =
          (pci_score(link.pci) + 100 * nvlinks) * kNumaScale +
          (same_numa ? 1 : 0);
    }
  }
}

}  // namespace gpunode::resource
