// Whether require-allocation is on (docs/adr/0011): config.toml says, and where
// it is silent the device plugin of the node.
#pragma once

#include "base/core/result.h"
#include "base/host/host_root.h"
#include "container/oci/toolkit_config.h"

namespace gpunode::oci {

/// The plugin's word: the file is there. It stays over a reboot, after which
/// containers may start before the plugin does. Only root writes there.
inline constexpr const char* kRequireAllocationMark =
    "/var/lib/gpunode/require-allocation";

/// True too if it cannot be told whether the file is there, but for want of
/// permission: who may not look runs containers of their own, no kubelet's.
bool is_allocation_required(const GpunodeConfig& config,
                            const host::HostRoot& host);

/// Makes or removes the file of `host`. To make it, its directory must be
/// there: in a container that does not have the host's, the runtime would never
/// see it (kNotFound).
Result<void> set_require_allocation(const host::HostRoot& host, bool required);

}  // namespace gpunode::oci
