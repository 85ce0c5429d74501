// The MPS control daemon of one resource, which somebody else runs.
#pragma once

#include <string>

#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "base/host/host_root.h"

namespace gpunode::plugin {

/// Where the daemon's pipes are, as this process sees them, for a resource:
/// "/mps/nvidia.com/gpu/pipe" (NVIDIA's layout).
std::string mps_pipe_directory(const std::string& resource_name);

/// Asks the daemon behind `pipe_directory` for its default thread percentage,
/// through nvidia-cuda-mps-control: of the driver root if it has one, else the
/// machine's own. Succeeds only when a daemon answers a number, so that nothing
/// is ever handed out unshared in the belief that it is. The Error's words are
/// NVIDIA's, followed by what to do.
Result<void> check_mps_daemon(host::CommandRunner& runner,
                              const host::HostRoot& driver_root,
                              const std::string& pipe_directory);

}  // namespace gpunode::plugin
