#include "container/oci/grant_rule.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "container/oci/device_list.h"

namespace gpunode::oci {
namespace {

constexpr std::string_view kVisibleDevices = "NVIDIA_VISIBLE_DEVICES";

/// Variables that get a container devices, beside the swarm resources.
constexpr std::array<std::string_view, 8> kDeviceVariables = {
    kVisibleDevices,
    "NVIDIA_IMEX_CHANNELS",
    "NVIDIA_MIG_CONFIG_DEVICES",
    "NVIDIA_MIG_MONITOR_DEVICES",
    "NVIDIA_GDS",
    "NVIDIA_MOFED",
    "NVIDIA_GDRCOPY",
    "NVIDIA_NVSWITCH",
};

template <class Values, class Value>
bool contains(const Values& values, const Value& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

std::string_view name_of_variable(const std::string& variable) {
  return std::string_view(variable).substr(0, variable.find('='));
}

/// A container with two resources has two answers; both lists count.
std::string granted_devices(const Grant& grant) {
  std::string devices;
  for (const auto& [name, value] : grant.envs) {
    if (name != kVisibleDevices || value.empty()) continue;
    if (!devices.empty()) devices += ',';
    devices += value;
  }
  return devices.empty() ? "void" : devices;
}

}  // namespace

ContainerConfig restrict_to_grant(const ContainerConfig& config,
                                  const Grant& grant,
                                  const ToolkitConfig& rules) {
  ContainerConfig restricted;
  restricted.bounding_capabilities = config.bounding_capabilities;
  const std::vector<std::string> swarm = split_list(rules.swarm_resource);
  for (const std::string& variable : config.env) {
    const std::string_view name = name_of_variable(variable);
    if (!contains(kDeviceVariables, name) && !contains(swarm, name)) {
      restricted.env.push_back(variable);
    }
  }
  for (const auto& [name, value] : grant.envs) {
    if (name != kVisibleDevices && contains(kDeviceVariables, name)) {
      restricted.env.push_back(fmt::format("{}={}", name, value));
    }
  }
  restricted.env.push_back(std::string(kVisibleDevices) + "=" +
                           granted_devices(grant));
  for (const ContainerMount& mount : config.mounts) {
    if (contains(grant.mount_paths, mount.destination)) {
      restricted.mounts.push_back(mount);
    }
  }
  // An annotation that the engine did not pass on is one that it acted upon
  // itself; ours are those that are both granted and passed on.
  for (const auto& [key, value] : grant.annotations) {
    const auto found = config.annotations.find(key);
    if (found != config.annotations.end() && found->second == value) {
      restricted.annotations.insert(*found);
    }
  }
  return restricted;
}

}  // namespace gpunode::oci
