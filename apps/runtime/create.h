// `create`: the container gets what it asks for and may have.
#pragma once

#include <string>

#include "apps/runtime/report.h"
#include "base/core/result.h"
#include "base/host/host_root.h"
#include "container/cdi/inventory_cache.h"
#include "container/oci/toolkit_config.h"

namespace gpunode::runtime {

struct CreateCall {
  std::string bundle;
  std::string program;  ///< argv[0]; some names force a mode.
  /// Where refused requests are noted, and grants of shares are.
  std::string state_directory = "/run/gpunode";
  /// What was found on the host before.
  std::string cache_path = cdi::kInventoryCache;
  /// Whose GPUs, CDI specs and kubelet these are.
  host::HostRoot host;
};

/// Reads the bundle's config.json once and, if devices are asked for, replaces
/// it by an edited one. On failure it is as it was.
Result<void> prepare_bundle(const CreateCall& call,
                            const oci::ToolkitConfig& rules, Report& report);

}  // namespace gpunode::runtime
