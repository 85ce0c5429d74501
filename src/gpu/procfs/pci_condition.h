// How a PCI function of NVIDIA's is set up, driver or none: what firmware, the
// kernel or a hypervisor left of it. For facts of a host and its doctor; what
// lists GPUs every few seconds reads less (pci.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/host/host_root.h"
#include "gpu/procfs/pci.h"

namespace gpunode::procfs {

/// A PCI Express link, as it is or as it could be. 0: not known, as of a
/// function inside most virtual machines.
struct PciLink {
  unsigned width = 0;           ///< Lanes: 16.
  std::uint32_t speed_mts = 0;  ///< Megatransfers a second and lane: 32000.

  friend bool operator==(const PciLink&, const PciLink&) = default;
};

/// Whether a GPU's memory regions (BARs) have addresses.
enum class PciMemory : std::uint8_t {
  kUnknown,  ///< The kernel does not say, or it is no function to judge.
  kAssigned,
  /// One has none, or fewer are there than any GPU has: firmware or hypervisor
  /// keep too little address space for them. The driver finds "BAR1 is 0M".
  kLacking,
};

struct PciCondition {
  /// Its config space is all ones: it has fallen off the bus, and only what
  /// the kernel remembers of it is left.
  bool is_lost = false;
  /// Of a virtual function (SR-IOV): the bus id of the one it is part of.
  std::string physical_function = {};
  unsigned virtual_functions = 0;  ///< That it has now, itself left out.
  PciMemory memory = PciMemory::kUnknown;
  PciLink link = {};       ///< Now. An idle GPU runs slower: no fault.
  PciLink link_most = {};  ///< That function and slot could do.

  friend bool operator==(const PciCondition&, const PciCondition&) = default;
};

/// From the function's folder in /sys/bus/pci/devices; `config` is the
/// beginning of its config space, empty if that could not be read. Never fails:
/// what cannot be read is not known. Of NVSwitches the memory is not judged.
PciCondition read_pci_condition(const host::HostRoot& host, const PciGpu& gpu,
                                std::string_view config);

/// Pure. What the file `resource` of a GPU tells: lines of first address, last
/// address and flags, the first six of them the BARs.
PciMemory pci_memory_of(std::string_view resource, std::uint16_t device);

/// Pure. "16.0 GT/s PCIe": 16000; 0 for what is no such text ("Unknown").
std::uint32_t link_speed_of(std::string_view text);

}  // namespace gpunode::procfs
