// From what a container may have to what it is given: CDI specs, or the
// driver's files and nodes as this host has them.
#pragma once

#include <string>
#include <vector>

#include "apps/runtime/report.h"
#include "base/core/result.h"
#include "base/host/host_root.h"
#include "container/cdi/spec.h"
#include "container/oci/container_request.h"
#include "container/oci/mode.h"
#include "container/oci/toolkit_config.h"

namespace gpunode::runtime {

struct Surroundings {
  host::HostRoot host;     ///< Whose devices, driver and specs these are.
  std::string cache_path;  ///< What was found before (inventory_cache.h).
};

/// The edits for `plan`, in the order in which they are to be made; none if it
/// plans nothing. Fails in NVIDIA's words if a device cannot be resolved.
Result<std::vector<cdi::ContainerEdits>> find_device_edits(
    const oci::Plan& plan, const oci::ContainerRequest& request,
    const oci::ToolkitConfig& rules, const Surroundings& around,
    Report& report);

}  // namespace gpunode::runtime
