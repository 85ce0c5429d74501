// `gpunode-runtime hook …`, and the same program called as nvidia-cdi-hook.
#pragma once

#include <span>
#include <string>

namespace gpunode::runtime {

/// Runs one hook in the namespaces of a container that is being made, with the
/// OCI state on standard input. `arguments` start with the hook's name. The
/// exit code of the process.
int run_hook(std::span<const std::string> arguments);

}  // namespace gpunode::runtime
