// spec.devicePlugin: who offers the node's GPUs to the kubelet, and how they
// are cut.
#pragma once

#include <cstdint>
#include <string>

namespace gpunode::provision {

enum class PluginPlace : std::uint8_t {
  kCluster,  ///< A Pod of the chart or the manifest: nothing is done here.
  kService,  ///< gpunode-agent.service of this host.
};

struct DevicePluginSpec {
  bool is_wanted = false;  ///< The section is there.
  PluginPlace place = PluginPlace::kCluster;
  /// NVIDIA's configuration file of version v1, as YAML. Empty: by default.
  std::string config = {};
  /// `config` says how containers are told their GPUs.
  bool names_list_strategy = false;
};

}  // namespace gpunode::provision
