#include "agent/plugin/host_devices.h"

#include <array>

#include <fmt/format.h>

namespace gpunode::plugin {
namespace {

/// NVIDIA's order.
constexpr std::array<const char*, 4> kControlNodes = {
    "/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools",
    "/dev/nvidia-modeset"};

bool is_char_device(const host::HostRoot& root, const std::string& path) {
  const Result<host::FileStatus> status = root.status(path);
  return status && status->kind == host::FileKind::kCharDevice;
}

}  // namespace

std::string imex_channel_path(int channel) {
  return fmt::format("/dev/nvidia-caps-imex-channels/channel{}", channel);
}

Result<HostDevices> find_host_devices(const config::Settings& settings,
                                      const host::HostRoot& dev_root) {
  HostDevices found;
  for (const char* path : kControlNodes) {
    // NVIDIA's plugin stats its own /dev; so do we.
    if (host::HostRoot().exists(path)) found.control_nodes.emplace_back(path);
  }
  for (const int channel : settings.imex_channel_ids) {
    const std::string path = imex_channel_path(channel);
    if (is_char_device(dev_root, path) ||
        is_char_device(host::HostRoot(), path)) {
      found.imex_channels.push_back(channel);
    } else if (settings.imex_required) {
      return Error(
          ErrorCode::kNotFound,
          fmt::format("error getting plugins: error querying IMEX channels: "
                      "requested IMEX channel channel{} does not exist",
                      channel));
    }
  }
  return found;
}

}  // namespace gpunode::plugin
