// Device nodes beside the GPUs' own that an answer may name.
#pragma once

#include <string>
#include <vector>

#include "agent/config/settings.h"
#include "base/core/result.h"
#include "base/host/host_root.h"

namespace gpunode::plugin {

/// What was found when last looked for. A plain value.
struct HostDevices {
  /// Those of /dev/nvidiactl, nvidia-uvm, nvidia-uvm-tools and nvidia-modeset
  /// that exist here; given to containers under pass-device-specs.
  std::vector<std::string> control_nodes;
  /// IMEX channels that were asked for and exist: empty or {0}.
  std::vector<int> imex_channels;
  /// CDI devices that go along with every GPU, without the vendor: "gds=all".
  std::vector<std::string> further_cdi_devices;

  bool operator==(const HostDevices&) const = default;
};

/// Looks under `dev_root` (where this process sees the host's /dev nodes) and
/// then under "/", as NVIDIA's plugin does for IMEX channels. Fails, in its
/// words, if a required channel does not exist.
Result<HostDevices> find_host_devices(const config::Settings& settings,
                                      const host::HostRoot& dev_root);

/// "/dev/nvidia-caps-imex-channels/channel0"
std::string imex_channel_path(int channel);

}  // namespace gpunode::plugin
