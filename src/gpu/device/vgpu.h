// A virtual GPU of NVIDIA's, seen from inside the virtual machine.
#pragma once

#include <string>

namespace gpunode::device {

/// One vGPU and the driver of the hypervisor that runs it.
struct Vgpu {
  std::string pci_bus_id;
  std::string host_driver_version;  ///< "460.16"
  std::string host_driver_branch;   ///< "r460_00"

  bool operator==(const Vgpu&) const = default;
};

}  // namespace gpunode::device
