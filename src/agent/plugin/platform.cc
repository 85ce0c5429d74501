#include "agent/plugin/platform.h"

#include <algorithm>
#include <cctype>
#include <string>
#include <utility>
#include <vector>

#include "gpu/procfs/driver_library.h"

namespace gpunode::plugin {
namespace {

bool has_library(const host::HostRoot& driver_root, const char* soname) {
  const std::string path =
      procfs::find_driver_library(driver_root, soname).path;
  // A bare soname means: not under the root.
  return path.find('/') != std::string::npos;
}

bool is_wsl(const host::HostRoot& host_root,
            const host::HostRoot& driver_root) {
  return host_root.exists("/dev/dxg") &&
         (host_root.exists("/usr/lib/wsl/lib/libdxcore.so") ||
          has_library(driver_root, "libdxcore.so"));
}

bool has_tegra_files(const host::HostRoot& host_root) {
  if (host_root.exists("/etc/nv_tegra_release")) return true;
  Result<std::string> family = host_root.read_file("/sys/devices/soc0/family");
  if (!family) return false;
  std::transform(family->begin(), family->end(), family->begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return family->rfind("tegra", 0) == 0;
}

}  // namespace

Platform detect_platform(config::DiscoveryStrategy strategy,
                         const host::HostRoot& host_root,
                         const host::HostRoot& driver_root) {
  if (strategy == config::DiscoveryStrategy::kTegra) return Platform::kTegra;
  if (is_wsl(host_root, driver_root)) return Platform::kWsl;
  const bool may_be_tegra = strategy == config::DiscoveryStrategy::kAuto &&
                            has_tegra_files(host_root);
  if (may_be_tegra && !has_library(driver_root, "libnvidia-ml.so.1") &&
      !has_library(host_root, "libnvidia-ml.so.1")) {
    return Platform::kTegra;
  }
  return Platform::kNvml;
}

device::Inventory tegra_inventory() {
  device::Inventory inventory;
  device::Gpu gpu;
  gpu.id.value = "tegra";
  gpu.name = "Tegra";
  inventory.gpus.push_back(std::move(gpu));
  inventory.topology = device::Topology(1);
  return inventory;
}

resource::Resource on_platform(Platform platform, resource::Resource resource) {
  if (platform == Platform::kNvml) return resource;
  std::vector<resource::Device> devices = resource.devices();
  if (platform == Platform::kWsl && !devices.empty()) {
    devices.resize(1);
    devices[0].id.value = "all";
    devices[0].gpu_id.value = "all";
    devices[0].index_text = "all";
  }
  for (resource::Device& device : devices) {
    device.numa_node.reset();
    device.nodes.clear();
    if (platform == Platform::kWsl) device.nodes.emplace_back("/dev/dxg");
  }
  return {resource.name(), std::move(devices), resource.sharing()};
}

}  // namespace gpunode::plugin
