#include "agent/labels/node_labels.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "agent/labels/resource_labels.h"

namespace gpunode::labels {
namespace {

using device::Gpu;
using device::Inventory;

// "nvidia.com/" in front, and a value that the API server takes.
void put(NodeLabels& into, std::string_view key, std::string_view value) {
  into.labels[fmt::format("nvidia.com/{}", key)] = value_of(value);
}

void put_flag(NodeLabels& into, std::string_view key, bool value) {
  put(into, key, value ? "true" : "false");
}

std::vector<std::string_view> split_at_dots(std::string_view text) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t dot = text.find('.');
    parts.push_back(text.substr(0, dot));
    if (dot == std::string_view::npos) return parts;
    text.remove_prefix(dot + 1);
  }
}

void add_driver_version(const std::string& version, NodeLabels& into) {
  const std::vector<std::string_view> parts = split_at_dots(version);
  if (parts.size() != 2 && parts.size() != 3) {
    into.remarks.push_back(
        fmt::format("no labels of the driver's version: Version \"{}\" does "
                    "not match format \"X.Y[.Z]\"",
                    version));
    return;
  }
  const std::string_view revision = parts.size() == 3 ? parts[2] : "";
  put(into, "cuda.driver-version.full", version);
  put(into, "cuda.driver-version.major", parts[0]);
  put(into, "cuda.driver-version.minor", parts[1]);
  put(into, "cuda.driver-version.revision", revision);
  // The names of old, which selectors still use.
  put(into, "cuda.driver.major", parts[0]);
  put(into, "cuda.driver.minor", parts[1]);
  put(into, "cuda.driver.rev", revision);
}

void put_cuda_version(int major_number, int minor_number, NodeLabels& into) {
  const std::string major = std::to_string(major_number);
  const std::string minor = std::to_string(minor_number);
  put(into, "cuda.runtime-version.full", fmt::format("{}.{}", major, minor));
  put(into, "cuda.runtime-version.major", major);
  put(into, "cuda.runtime-version.minor", minor);
  put(into, "cuda.runtime.major", major);
  put(into, "cuda.runtime.minor", minor);
}

void add_cuda_version(int version, NodeLabels& into) {
  if (version <= 0) {
    into.remarks.emplace_back(
        "no labels of the CUDA version: the driver does not tell it");
    return;
  }
  put_cuda_version(version / 1000, version % 1000 / 10, into);
}

// No driver is there that had any; the words and numbers are NVIDIA's.
void add_passthrough_versions(NodeLabels& into) {
  add_driver_version("unknown.unknown.unknown", into);
  put_cuda_version(0, 0, into);
}

std::string_view mode_of(const std::vector<Gpu>& gpus) {
  constexpr std::uint32_t kVga = 0x030000;
  constexpr std::uint32_t k3d = 0x030200;
  const std::optional<std::uint32_t> first = gpus.front().pci_class;
  const bool is_one = std::all_of(gpus.begin(), gpus.end(), [&](const Gpu& g) {
    return g.pci_class == first;
  });
  if (!is_one) return "unknown";
  if (first == kVga) return "graphics";
  if (first == k3d) return "compute";
  return "unknown";
}

// Several cliques on one node are no place that a job could ask for.
void add_clique(const std::vector<Gpu>& gpus, NodeLabels& into) {
  std::set<device::FabricClique> cliques;
  for (const Gpu& gpu : gpus) {
    if (gpu.fabric) cliques.insert(*gpu.fabric);
  }
  if (cliques.size() > 1) {
    into.remarks.emplace_back(
        "no nvidia.com/gpu.clique: the GPUs are of several fabric cliques");
  }
  if (cliques.size() != 1) return;
  put(into, "gpu.clique",
      fmt::format("{}.{}", cliques.begin()->cluster, cliques.begin()->id));
}

void add_sharing(const Inventory& inventory, const config::Settings& settings,
                 NodeLabels& into) {
  const bool wants_mps =
      settings.sharing_strategy() == config::SharingStrategy::kMps;
  const bool has_mig =
      std::any_of(inventory.gpus.begin(), inventory.gpus.end(),
                  [](const Gpu& gpu) { return gpu.mig_enabled; });
  put_flag(into, "mps.capable", wants_mps && !has_mig);
  if (wants_mps && has_mig) {
    into.remarks.emplace_back("MPS sharing is not supported for mig devices");
  }
}

void add_gpus(const Inventory& inventory, const config::Settings& settings,
              const Machine& machine, NodeLabels& into) {
  put(into, "gpu.machine", machine.type.value_or("unknown"));
  if (inventory.gpus.front().is_passed_through) {
    add_passthrough_versions(into);
  } else {
    add_driver_version(inventory.driver_version, into);
    add_cuda_version(inventory.cuda_driver_version, into);
  }
  put_flag(into, "mig.capable",
           std::any_of(inventory.gpus.begin(), inventory.gpus.end(),
                       [](const Gpu& gpu) { return gpu.mig_capable; }));
  add_sharing(inventory, settings, into);
  add_resource_labels(inventory, settings, into);
  put(into, "gpu.mode", mode_of(inventory.gpus));
  add_clique(inventory.gpus, into);
}

void add_vgpus(const std::vector<device::Vgpu>& vgpus, NodeLabels& into) {
  put_flag(into, "vgpu.present", !vgpus.empty());
  if (vgpus.empty()) return;
  put(into, "vgpu.host-driver-version", vgpus.back().host_driver_version);
  put(into, "vgpu.host-driver-branch", vgpus.back().host_driver_branch);
}

}  // namespace

NodeLabels make_node_labels(const Inventory& inventory,
                            const config::Settings& settings,
                            const Machine& machine) {
  NodeLabels out;
  if (machine.timestamp) {
    put(out, "gfd.timestamp", std::to_string(*machine.timestamp));
  }
  if (!inventory.gpus.empty()) add_gpus(inventory, settings, machine, out);
  if (machine.vgpus) add_vgpus(*machine.vgpus, out);
  for (const device::LostGpu& lost : inventory.lost) {
    out.remarks.push_back(fmt::format("GPU {} is not counted: {}",
                                      lost.index.value, lost.reason));
  }
  return out;
}

}  // namespace gpunode::labels
