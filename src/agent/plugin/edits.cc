#include "agent/plugin/edits.h"

#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "agent/plugin/cdi_specs.h"
#include "share/grants/grant_files.h"

namespace gpunode::plugin {
namespace {

using config::DeviceListStrategy;

constexpr std::string_view kVolumeMountRoot =
    "/var/run/nvidia-container-devices";
/// The variable's name is the contract with nvidia-container-runtime.
constexpr const char* kVisibleDevices = "NVIDIA_VISIBLE_DEVICES";

std::vector<std::string> cdi_names(const resource::Allocation& allocation,
                                   const HostDevices& host_devices) {
  std::vector<std::string> names;
  for (const std::string& name : allocation.names) {
    names.push_back(fmt::format("{}/gpu={}", kCdiVendor, name));
  }
  for (const int channel : host_devices.imex_channels) {
    names.push_back(fmt::format("{}/imex-channel={}", kCdiVendor, channel));
  }
  for (const std::string& device : host_devices.further_cdi_devices) {
    names.push_back(fmt::format("{}/{}", kCdiVendor, device));
  }
  return names;
}

void add_cdi(const std::vector<std::string>& names,
             const config::Settings& settings, const std::string& allocation_id,
             kubelet::ContainerAllocation& answer) {
  if (settings.includes(DeviceListStrategy::kCdiAnnotations)) {
    answer.annotations[fmt::format(
        "{}nvidia-device-plugin_{}", settings.cdi_annotation_prefix,
        allocation_id)] = fmt::format("{}", fmt::join(names, ","));
  }
  if (settings.includes(DeviceListStrategy::kCdiCri)) {
    answer.cdi_devices = names;
  }
}

void add_mps(const std::string& resource_name, const std::string& mps_root,
             kubelet::ContainerAllocation& answer) {
  const std::string pipe = fmt::format("/mps/{}/pipe", resource_name);
  answer.envs["CUDA_MPS_PIPE_DIRECTORY"] = pipe;
  answer.mounts.push_back(
      {pipe, fmt::format("{}/{}/pipe", mps_root, resource_name), false});
  answer.mounts.push_back({"/dev/shm", mps_root + "/shm", false});
}

void add_volume_mounts(const resource::Allocation& allocation,
                       const HostDevices& host_devices,
                       kubelet::ContainerAllocation& answer) {
  answer.envs[kVisibleDevices] = std::string(kVolumeMountRoot);
  for (const std::string& name : allocation.names) {
    answer.mounts.push_back(
        {fmt::format("{}/{}", kVolumeMountRoot, name), "/dev/null", false});
  }
  for (const int channel : host_devices.imex_channels) {
    answer.mounts.push_back(
        {fmt::format("{}/imex/{}", kVolumeMountRoot, channel), "/dev/null",
         false});
  }
}

void add_device_specs(const resource::Allocation& allocation,
                      const config::Settings& settings,
                      const HostDevices& host_devices,
                      ControlNodes control_nodes,
                      kubelet::ContainerAllocation& answer) {
  const std::string prefix =
      settings.dev_root == "/" ? std::string() : settings.dev_root;
  const auto add = [&](const std::string& path) {
    answer.devices.push_back({path, prefix + path, "rw"});
  };
  if (control_nodes == ControlNodes::kPass) {
    for (const std::string& path : host_devices.control_nodes) add(path);
  }
  for (const std::string& path : allocation.nodes) add(path);
  for (const int channel : host_devices.imex_channels) {
    add(imex_channel_path(channel));
  }
}

/// By mounts, which every engine honours, whatever the strategy. The loader's
/// file, and not a variable: programs and Pods cannot leave it out.
void add_share(const std::string& allocation_id,
               const share::LibraryFiles& files,
               kubelet::ContainerAllocation& answer) {
  const share::GrantFiles grants(share::GrantFiles::kRoot);
  const auto in_container = [](const char* name) {
    return fmt::format("{}/{}", share::kShareDirectory, name);
  };
  answer.mounts.push_back({share::kLibraryPlace, files.library, true});
  answer.mounts.push_back({"/etc/ld.so.preload", files.preload, true});
  answer.mounts.push_back(
      {in_container("limits"), grants.limits_path(allocation_id), true});
  answer.mounts.push_back(
      {in_container("ledger"), grants.ledger_path(allocation_id), false});
}

bool is_cdi_only(const config::Settings& settings) {
  return !settings.includes(DeviceListStrategy::kEnvvar) &&
         !settings.includes(DeviceListStrategy::kVolumeMounts);
}

}  // namespace

kubelet::ContainerAllocation express(const resource::Resource& resource,
                                     const resource::Allocation& allocation,
                                     const config::Settings& settings,
                                     const HostDevices& host_devices,
                                     ControlNodes control_nodes,
                                     const std::string& allocation_id,
                                     const share::LibraryFiles& share_files) {
  kubelet::ContainerAllocation answer;
  if (!allocation.limits.empty()) {
    add_share(allocation_id, share_files, answer);
  }
  add_cdi(cdi_names(allocation, host_devices), settings, allocation_id, answer);
  if (resource.sharing().strategy == config::SharingStrategy::kMps) {
    add_mps(resource.name().value(), settings.mps_root, answer);
  }
  if (settings.gdrcopy_enabled) answer.envs["NVIDIA_GDRCOPY"] = "enabled";
  if (settings.gds_enabled) answer.envs["NVIDIA_GDS"] = "enabled";
  if (settings.mofed_enabled) answer.envs["NVIDIA_MOFED"] = "enabled";
  // With CDI names alone the runtime does everything else. Device nodes beside
  // them would be added twice.
  if (is_cdi_only(settings)) return answer;

  if (settings.includes(DeviceListStrategy::kEnvvar)) {
    answer.envs[kVisibleDevices] =
        fmt::format("{}", fmt::join(allocation.names, ","));
    if (!host_devices.imex_channels.empty()) {
      answer.envs["NVIDIA_IMEX_CHANNELS"] =
          fmt::format("{}", fmt::join(host_devices.imex_channels, ","));
    }
  }
  // After envvar: its NVIDIA_VISIBLE_DEVICES wins, as in the peer.
  if (settings.includes(DeviceListStrategy::kVolumeMounts)) {
    add_volume_mounts(allocation, host_devices, answer);
  }
  if (settings.pass_device_specs) {
    add_device_specs(allocation, settings, host_devices, control_nodes, answer);
  }
  return answer;
}

}  // namespace gpunode::plugin
