// Edits: an Allocation written down the way the container will receive it.
#pragma once

#include <string>

#include "agent/config/settings.h"
#include "agent/plugin/host_devices.h"
#include "agent/resource/allocation.h"
#include "agent/resource/resource.h"
#include "k8s/kubelet/handler.h"
#include "share/grants/library_files.h"

namespace gpunode::plugin {

/// Whether a driver's control nodes go along under pass-device-specs. They
/// do not where the Device is not /dev/nvidiaN: WSL and Tegra.
enum class ControlNodes { kPass, kOmit };

/// The union of what the device list strategies say, in NVIDIA's order
/// (k8s-device-plugin, Allocate). Pure: the same arguments give the same
/// answer, which the kubelet may replay for years (docs/adr/0006).
/// `allocation_id` becomes part of the CDI annotation's key, and of the paths
/// of what the container is held to, if the Allocation has limits: then it gets
/// `share_files` and its two files of docs/formats/ledger.md.
kubelet::ContainerAllocation express(const resource::Resource& resource,
                                     const resource::Allocation& allocation,
                                     const config::Settings& settings,
                                     const HostDevices& host_devices,
                                     ControlNodes control_nodes,
                                     const std::string& allocation_id,
                                     const share::LibraryFiles& share_files);

}  // namespace gpunode::plugin
