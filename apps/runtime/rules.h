// config.toml of this host.
#pragma once

#include "base/core/result.h"
#include "container/oci/toolkit_config.h"

namespace gpunode::runtime {

/// Reads the file that the environment names, or the default one. None is the
/// defaults.
Result<oci::ToolkitConfig> load_rules();

/// The candidates for a low-level runtime, for calls that are only passed on.
/// A config.toml that cannot be read must not keep a container from being
/// stopped: its plain `runtimes` line counts then (passed_call.h), else the
/// defaults.
std::vector<std::string> load_candidates();

}  // namespace gpunode::runtime
