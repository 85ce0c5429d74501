#include "agent/resource/resource_set.h"

#include <string>

#include <fmt/format.h>

#include "agent/resource/device_groups.h"
#include "agent/resource/replication.h"

namespace gpunode::resource {

ResourceSet build_resources(const device::Inventory& inventory,
                            const config::Settings& settings) {
  ResourceSet set;
  for (const device::LostGpu& lost : inventory.lost) {
    set.problems.push_back(
        {Problem::Effect::kDeviceLeftOut, std::string(),
         fmt::format("device {} is lost: {}", lost.index.value, lost.reason)});
  }
  set.resources =
      replicate(group_devices(inventory, settings.mig_strategy, set.problems),
                settings, set.problems);
  return set;
}

}  // namespace gpunode::resource
