#include "gpu/procfs/annotation.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "gpu/procfs/mig_minors.h"
#include "gpu/procfs/pci.h"

namespace gpunode::procfs {
namespace {

void annotate_mig(device::MigDevice& mig, device::Minor gpu,
                  const MigMinors& minors, std::vector<std::string>& problems) {
  const auto capability = [&](const char* kind, std::optional<std::string> path,
                              const std::string& entry) {
    if (path) return *std::move(path);
    problems.push_back(
        fmt::format("missing MIG {} instance capability path: "
                    "/proc/driver/nvidia/capabilities/gpu{}/mig/{}/access",
                    kind, gpu.value, entry));
    return std::string();
  };
  mig.gpu_instance_cap_path =
      capability("GPU", minors.gpu_instance_path(gpu, mig.gpu_instance),
                 fmt::format("gi{}", mig.gpu_instance));
  mig.compute_instance_cap_path = capability(
      "compute",
      minors.compute_instance_path(gpu, mig.gpu_instance, mig.compute_instance),
      fmt::format("gi{}/ci{}", mig.gpu_instance, mig.compute_instance));
}

}  // namespace

std::vector<std::string> annotate(device::Inventory& inventory,
                                  const host::HostRoot& host) {
  std::vector<std::string> problems;
  for (device::Gpu& gpu : inventory.gpus) {
    gpu.numa_node = numa_node_of(host, gpu.pci_bus_id);
    gpu.pci_class = pci_class_of(host, gpu.pci_bus_id);
  }
  const bool has_mig =
      std::any_of(inventory.gpus.begin(), inventory.gpus.end(),
                  [](const auto& gpu) { return !gpu.mig_devices.empty(); });
  if (!has_mig) return problems;
  auto minors = MigMinors::load(host);
  if (!minors) {
    problems.push_back(minors.error().message());
    minors = MigMinors();
  }
  problems.insert(problems.end(), minors->problems().begin(),
                  minors->problems().end());
  for (device::Gpu& gpu : inventory.gpus) {
    for (device::MigDevice& mig : gpu.mig_devices) {
      annotate_mig(mig, gpu.minor, *minors, problems);
    }
  }
  return problems;
}

}  // namespace gpunode::procfs
