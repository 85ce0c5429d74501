// Where the agent finds libnvidia-ml.
#pragma once

#include <string>

#include "base/core/result.h"
#include "base/host/host_root.h"
#include "gpu/nvml/library.h"

namespace gpunode::plugin {

/// Opens `file`, or, if it is empty, the library under the driver's root, or
/// what the dynamic linker knows by its name. May take as long as the file
/// system it is on.
Result<nvml::Library> open_nvml(const std::string& file,
                                const host::HostRoot& driver_root);

}  // namespace gpunode::plugin
