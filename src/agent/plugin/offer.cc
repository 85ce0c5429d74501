#include "agent/plugin/offer.h"

#include <fmt/format.h>

namespace gpunode::plugin {

std::vector<kubelet::Device> list_devices(const resource::Resource& resource,
                                          const IsHealthy& is_healthy) {
  std::vector<kubelet::Device> list;
  list.reserve(resource.replica_count());
  std::size_t position = 0;
  for (std::size_t i = 0; i < resource.devices().size(); ++i) {
    const resource::Device& device = resource.devices()[i];
    const bool healthy = is_healthy(device);
    const std::size_t end = i + 1 < resource.devices().size()
                                ? resource.first_position(i + 1)
                                : resource.replica_count();
    for (; position < end; ++position) {
      kubelet::Device entry{resource.id_at(position), healthy, {}};
      if (device.numa_node) {
        entry.numa_nodes.push_back(
            static_cast<std::int64_t>(*device.numa_node));
      }
      list.push_back(std::move(entry));
    }
  }
  return list;
}

std::string endpoint_of(const std::string& resource_name) {
  return fmt::format("nvidia-{}.sock",
                     resource_name.substr(resource_name.find('/') + 1));
}

std::vector<std::string> expected_resource_names(
    const config::Settings& settings) {
  constexpr const char* kFullGpu = "nvidia.com/gpu";
  if (const config::Replication* replication = settings.replication()) {
    for (const config::ReplicatedResource& entry : replication->resources) {
      if (entry.name == kFullGpu) return {entry.rename};
    }
  }
  return {kFullGpu};
}

}  // namespace gpunode::plugin
