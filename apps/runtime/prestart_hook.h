// nvidia-container-runtime-hook: NVIDIA's way of before CDI, and what is left
// of it here.
#pragma once

#include <span>
#include <string>

namespace gpunode::runtime {

/// Runs as that program, with the OCI state on standard input. "prestart" for
/// a container that asks for GPUs is refused with NVIDIA's words, as theirs
/// does in every mode but legacy: the runtime has given, or has to give, what
/// is asked. "poststart" and "poststop" do nothing. The exit code.
int run_prestart_hook(std::span<const std::string> arguments);

}  // namespace gpunode::runtime
