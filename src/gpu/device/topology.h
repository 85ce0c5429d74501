// Topology: how near each pair of GPUs is. Read once per Inventory.
#pragma once

#include <cstddef>
#include <vector>

namespace gpunode::device {

/// PCIe nearness of two GPUs, nearest last, after
/// nvmlDeviceGetTopologyCommonAncestor.
enum class PciLink {
  kUnknown,
  kCrossCpu,      ///< NVML_TOPOLOGY_SYSTEM
  kSameCpu,       ///< NVML_TOPOLOGY_NODE
  kHostBridge,    ///< NVML_TOPOLOGY_HOSTBRIDGE
  kMultiSwitch,   ///< NVML_TOPOLOGY_MULTIPLE
  kSingleSwitch,  ///< NVML_TOPOLOGY_SINGLE
  kSameBoard,     ///< NVML_TOPOLOGY_INTERNAL
};

struct Link {
  PciLink pci = PciLink::kUnknown;
  unsigned nvlinks =
      0;  ///< Direct ones, GPU to GPU; NVSwitch ends not counted.

  bool operator==(const Link&) const = default;
};

/// A symmetric matrix over the GPUs of one Inventory.
class Topology {
 public:
  Topology() = default;
  explicit Topology(std::size_t gpu_count)
      : size_(gpu_count), links_(gpu_count * gpu_count) {}

  std::size_t size() const { return size_; }

  /// Unknown for positions outside the matrix and for a GPU with itself.
  Link link(std::size_t a, std::size_t b) const {
    return a < size_ && b < size_ ? links_[a * size_ + b] : Link{};
  }

  void set(std::size_t a, std::size_t b, Link link) {
    links_[a * size_ + b] = link;
    links_[b * size_ + a] = link;
  }

  bool operator==(const Topology&) const = default;

 private:
  std::size_t size_ = 0;
  std::vector<Link> links_;
};

}  // namespace gpunode::device
