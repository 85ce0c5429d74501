// What the agent's settings ask of gpunode-runtime on the same node.
#pragma once

#include <string>

#include "agent/config/settings.h"
#include "base/core/result.h"

namespace gpunode::plugin {

/// Where containers are held to shares and the settings alone show that no CDI
/// hook of ours delivers them: what falls short then, unless gpunode-runtime is
/// the containers' runtime, which nothing here can tell. Empty otherwise.
std::string delivery_warning(const config::Settings& settings);

/// Tells the runtime whether allocations are required, by a file of the host
/// (container/oci/require_allocation.h); it has no other way to ask. Fails if
/// they are and that cannot be told: without the protection that was asked for
/// nothing must start.
Result<void> tell_runtime(const config::Settings& settings);

}  // namespace gpunode::plugin
