// The agent's program under the name config-manager.
#pragma once

#include "agent/config/command_line.h"
#include "base/core/unique_fd.h"

namespace gpunode {

/// Runs to its end and returns the exit code.
int run_config_manager(const config::CommandLine& command_line,
                       const config::Environment& environment,
                       const UniqueFd& signals);

}  // namespace gpunode
