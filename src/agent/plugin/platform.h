// What kind of NVIDIA machine this is.
#pragma once

#include "agent/config/settings.h"
#include "agent/resource/resource.h"
#include "base/host/host_root.h"
#include "gpu/device/inventory.h"

namespace gpunode::plugin {

enum class Platform {
  kNvml,   ///< A discrete GPU under a Linux driver; also: nothing found yet.
  kWsl,    ///< Windows' Linux: NVML answers, but there is one /dev/dxg.
  kTegra,  ///< An integrated GPU without NVML.
};

/// From files alone, in NVIDIA's order: WSL by its paravirtual library, Tegra
/// by its release file or SoC family when there is no NVML library, else NVML.
/// `strategy` other than kAuto decides between NVML and Tegra.
Platform detect_platform(config::DiscoveryStrategy strategy,
                         const host::HostRoot& host_root,
                         const host::HostRoot& driver_root);

/// The Inventory of a Tegra machine, which nobody can ask: one GPU, "tegra".
device::Inventory tegra_inventory();

/// `resource` as the platform offers it. On WSL the GPUs are one Device, `all`,
/// and on Tegra the Device has no nodes: the runtime does the rest.
resource::Resource on_platform(Platform platform, resource::Resource resource);

}  // namespace gpunode::plugin
