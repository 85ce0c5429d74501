// NVIDIA_DRIVER_CAPABILITIES kept where a CDI spec knows nothing of it.
#pragma once

#include <span>
#include <string>

#include "container/cdi/driver_capability.h"
#include "container/cdi/spec.h"

namespace gpunode::oci {

/// The capabilities by name; unknown ones are passed over.
cdi::DriverCapabilities capabilities_of(std::span<const std::string> names);

/// Drops the mounts of driver libraries that only other capabilities need, and
/// the links to them that hooks would make. What is no library, or none that is
/// known, stays.
void keep_capabilities(cdi::ContainerEdits& edits,
                       cdi::DriverCapabilities wanted);

}  // namespace gpunode::oci
