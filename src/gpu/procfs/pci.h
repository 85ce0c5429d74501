// NVIDIA GPUs as the kernel's PCI core sees them, driver or not.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/host/host_root.h"

namespace gpunode::procfs {

/// A PCI function of NVIDIA's that computes or displays, or an NVSwitch.
struct PciGpu {
  std::string bus_id;           ///< "0000:00:1e.0"
  std::uint16_t device = 0;     ///< 0: it could not be read.
  std::uint32_t pci_class = 0;  ///< 0x030000 VGA, 0x030200 3D.
  std::optional<unsigned> numa_node;
  std::string driver;  ///< "nvidia", "nouveau", "vfio-pci"; empty: none.

  /// Class "other bridge": with this vendor an NVSwitch.
  bool is_switch() const { return pci_class >> 8U == 0x0680U; }
};

/// From /sys/bus/pci/devices, by bus id. A host without PCI has none; a
/// function whose files cannot be read is left out.
std::vector<PciGpu> list_pci_gpus(const host::HostRoot& host);

/// The same and NVSwitches too.
std::vector<PciGpu> list_pci_gpus_and_switches(const host::HostRoot& host);

/// The NUMA node of a PCI function; none if the kernel knows none (-1, as on
/// most single-socket machines and VMs) or the function.
std::optional<unsigned> numa_node_of(const host::HostRoot& host,
                                     std::string_view bus_id);

/// The class of a PCI function with its programming interface: 0x030200.
std::optional<std::uint32_t> pci_class_of(const host::HostRoot& host,
                                          std::string_view bus_id);

/// For people whose driver does not answer: "2 NVIDIA GPUs on the PCI bus,
/// 0000:3b:00.0 (10de:2237, no driver bound) …", or that there is none.
std::string describe_pci_gpus(const std::vector<PciGpu>& gpus);

}  // namespace gpunode::procfs
