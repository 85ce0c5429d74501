#include "container/oci/grant_rule.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "container/oci/device_list.h"
#include "container/oci/ungranted_log.h"

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

bool wants_gpus(const DeviceList& list) {
  return list.kind == DeviceList::Kind::kAll ||
         list.kind == DeviceList::Kind::kNamed;
}

bool is_within(const DeviceList& asked, const DeviceList& granted) {
  if (granted.kind == DeviceList::Kind::kAll) return true;
  return asked.kind == DeviceList::Kind::kNamed &&
         std::all_of(asked.names.begin(), asked.names.end(),
                     [&](const std::string& name) {
                       return contains(granted.names, name);
                     });
}

}  // namespace

std::optional<std::string> excess_of(const ContainerRequest& asked,
                                     const ContainerRequest& granted,
                                     const Grant& grant) {
  const DeviceList& wanted =
      wants_gpus(asked.devices) ? asked.devices : asked.annotated;
  if (!wants_gpus(wanted)) return std::nullopt;
  const DeviceList& given =
      wants_gpus(granted.devices) ? granted.devices : granted.annotated;
  if (wants_gpus(given)) {
    if (is_within(wanted, given)) return std::nullopt;
    return "it was allocated " + shown(given);
  }
  // What the engine itself brings in by CDI names is not ours to see.
  if (!grant.cdi_devices.empty()) return std::nullopt;
  return "no GPU was allocated to it";
}

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
