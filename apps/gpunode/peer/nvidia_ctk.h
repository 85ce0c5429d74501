// gpunode called as nvidia-ctk: its commands, flags, variables and exit codes.
#pragma once

#include <span>
#include <string>

#include "apps/gpunode/session.h"

namespace gpunode::cli {

/// True if the program was called by that name: "/usr/bin/nvidia-ctk".
bool is_nvidia_ctk(const std::string& program);

/// Runs one command line, without the program's name. The exit code: 0, 1 for
/// every error, 3 for a command that there is not; that of a hook for `hook`.
int run_nvidia_ctk(std::span<const std::string> arguments, Session& session);

}  // namespace gpunode::cli
