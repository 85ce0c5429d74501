#include "agent/plugin/known_gpus.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace gpunode::plugin {
namespace {

const device::Gpu* find_previous(const device::Inventory& previous,
                                 const device::LostGpu& lost) {
  for (const device::Gpu& gpu : previous.gpus) {
    // The UUID decides when it is known; positions shift when a GPU goes.
    if (lost.id ? gpu.id == *lost.id : gpu.index == lost.index) return &gpu;
  }
  return nullptr;
}

bool contains(const device::Inventory& inventory, const device::DeviceId& id) {
  return std::any_of(inventory.gpus.begin(), inventory.gpus.end(),
                     [&](const device::Gpu& gpu) { return gpu.id == id; });
}

/// The links among `gpus`, from whichever inventory knows both ends.
device::Topology merge_topology(const std::vector<device::Gpu>& gpus,
                                const device::Inventory& current,
                                const device::Inventory& previous) {
  const auto row = [](const device::Inventory& in, const device::DeviceId& id) {
    const auto at =
        std::find_if(in.gpus.begin(), in.gpus.end(),
                     [&](const device::Gpu& gpu) { return gpu.id == id; });
    return static_cast<std::size_t>(at - in.gpus.begin());
  };
  device::Topology merged(gpus.size());
  for (std::size_t a = 0; a < gpus.size(); ++a) {
    for (std::size_t b = a + 1; b < gpus.size(); ++b) {
      const bool both =
          contains(current, gpus[a].id) && contains(current, gpus[b].id);
      const device::Inventory& from = both ? current : previous;
      merged.set(
          a, b,
          from.topology.link(row(from, gpus[a].id), row(from, gpus[b].id)));
    }
  }
  return merged;
}

}  // namespace

device::Inventory keep_lost_gpus(device::Inventory current,
                                 const device::Inventory& previous) {
  std::vector<device::Gpu> gpus = current.gpus;
  for (device::LostGpu& lost : current.lost) {
    const device::Gpu* known = find_previous(previous, lost);
    if (known == nullptr || contains(current, known->id)) continue;
    lost.id = known->id;
    gpus.push_back(*known);
    gpus.back().index = lost.index;
  }
  if (gpus.size() == current.gpus.size()) return current;
  std::sort(gpus.begin(), gpus.end(),
            [](const device::Gpu& a, const device::Gpu& b) {
              return a.index < b.index;
            });
  current.topology = merge_topology(gpus, current, previous);
  current.gpus = std::move(gpus);
  return current;
}

}  // namespace gpunode::plugin
