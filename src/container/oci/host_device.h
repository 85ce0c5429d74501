// A device node as the host has it, for CDI edits that leave that open.
#pragma once

#include "base/core/result.h"
#include "base/host/host_root.h"
#include "container/cdi/spec.h"

namespace gpunode::oci {

/// Fills in type, major, minor and file mode from the host's node where `node`
/// does not give both type and number. Fails, in NVIDIA's words, if the host
/// has no such node (kNotFound) or one of another type (kInvalidArgument).
Result<void> complete_device(cdi::DeviceNode& node, const host::HostRoot& host);

}  // namespace gpunode::oci
