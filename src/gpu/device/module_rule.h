// Which kernel module, and which branches of the driver, a GPU can be driven
// with: by its PCI device id alone, so that it can be asked before any driver.
#pragma once

#include <cstdint>

namespace gpunode::device {

/// NVIDIA builds its kernel modules twice: "open" ones that leave the GPU's
/// work to its own processor (GSP), which chips have since Turing, and
/// proprietary ones, which end before Blackwell and with branch 615.
enum class ModuleRule : std::uint8_t {
  kProprietaryOnly,  ///< Before Turing.
  kEither,           ///< Turing to Ada.
  kOpenOnly,         ///< Hopper beside Grace, Blackwell, and what is newer.
};

/// An id that is newer than all that we know is taken for a newer chip: those
/// have open modules alone.
ModuleRule module_rule_of(std::uint16_t pci_device);

/// Branches of the driver that know a chip, both ends included.
struct BranchRange {
  int first = 0;
  int last = 0;  ///< 0: no end that is known.

  friend bool operator==(const BranchRange&, const BranchRange&) = default;
};

/// Kepler ends with 470, Maxwell to Volta with 580 (NVIDIA's "CUDA Toolkit,
/// Driver, and Architecture Matrix"). Ada and Hopper begin with 525, beside
/// Grace with 535, Blackwell with 570, B300 and GB300 with 580: the first
/// release of open-gpu-kernel-modules whose list has them. Of an unknown newer
/// chip nothing is said: {0, 0}.
BranchRange branches_of(std::uint16_t pci_device);

}  // namespace gpunode::device
