#include "agent/plugin/driver_remedy.h"

#include <vector>

#include <fmt/format.h>

#include "base/core/result.h"
#include "gpu/procfs/kernel_module.h"
#include "gpu/procfs/pci.h"

namespace gpunode::plugin {

std::string driver_remedy(const host::HostRoot& host_root) {
  const std::vector<procfs::PciGpu> gpus = procfs::list_pci_gpus(host_root);
  const Result<procfs::KernelModule> module =
      procfs::load_kernel_module(host_root);
  if (module) {
    return fmt::format(
        "The kernel module {} is loaded, so its library is what is missing or "
        "does not match here: mount the driver's root at "
        "--driver-root-ctr-path, or run under the nvidia runtime class.",
        module->version);
  }
  if (gpus.empty()) {
    return "This machine shows no NVIDIA GPU: if it has none, keep this agent "
           "off it by a node selector.";
  }
  return fmt::format(
      "The machine has {}, but no NVIDIA kernel module is loaded: install the "
      "driver, or load it (modprobe nvidia) and look at dmesg.",
      procfs::describe_pci_gpus(gpus));
}

}  // namespace gpunode::plugin
