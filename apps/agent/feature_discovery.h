// The agent's program under the name gpu-feature-discovery.
#pragma once

#include "agent/config/command_line.h"
#include "base/core/unique_fd.h"

namespace gpunode {

/// Runs to its end and returns the exit code.
int run_feature_discovery(const config::CommandLine& command_line,
                          const UniqueFd& signals);

}  // namespace gpunode
