// That NVIDIA's user-space libraries make no device nodes in a container.
//
// libnvidia-ml and nvidia-smi read /proc/driver/nvidia/params and, where it
// says "ModifyDeviceFiles: 1", make a node for each GPU of the host. A
// container is shown a copy that says 0.
#pragma once

#include <string>
#include <string_view>

#include "base/host/host_root.h"
#include "base/host/root_directory.h"

namespace gpunode::hook {

/// The driver's parameters with ModifyDeviceFiles at 0.
std::string without_device_file_changes(std::string_view params);

/// Shows the container that copy, read-only. kNone if there is nothing to
/// forbid: no driver, 0 already, or no procfs at /proc of the root. A /proc
/// that is a link is kInvalidArgument.
Result<host::Change> forbid_device_node_changes(
    const host::HostRoot& host, const host::RootDirectory& root);

}  // namespace gpunode::hook
