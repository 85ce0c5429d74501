#include "apps/runtime/help.h"

#include <cstdio>

namespace gpunode::runtime {
namespace {

constexpr std::string_view kText =
    R"(gpunode-runtime: an OCI runtime that gives containers their GPUs.

Container engines call it in the place of runc. `create` reads the bundle's
config.json, adds the devices, libraries and hooks that the container asks for
and may have, and becomes runc or crun; every other call is passed on untouched.

  gpunode-runtime [runc's options] create --bundle DIR ID
  gpunode-runtime hook NAME ...      inside a container that is being made
  gpunode-runtime --version          and the low-level runtime's own

What a container asks for (its environment, annotations or mounts):
  NVIDIA_VISIBLE_DEVICES      all, none, void, 0,1, GPU-..., MIG-..., or CDI
                              names such as nvidia.com/gpu=0
  NVIDIA_DRIVER_CAPABILITIES  compute,utility by default; video, graphics,
                              display, ngx, compat32, all
  NVIDIA_REQUIRE_...          such as cuda>=12.4

What it may have is said by /etc/nvidia-container-runtime/config.toml (or the
file that NVIDIA_CTK_CONFIG_FILE_PATH names), the file of NVIDIA's toolkit:
  [nvidia-container-runtime]
  runtimes = ["runc", "crun"]     what is run in the end
  mode = "auto"                   auto, cdi, jit-cdi, legacy
  debug = "/var/log/gpunode-runtime.log"
  [gpunode]
  require-allocation = true       Kubernetes: only what the device plugin
                                  granted, whatever the image says; left out:
                                  as gpunode-agent was told

Make an engine use it:  gpunode runtime configure --runtime containerd
See why a container got no GPU:  the engine's error, or the debug file.
)";

}  // namespace

bool is_help(std::string_view program, std::string_view first) {
  return program == "gpunode-runtime" &&
         (first == "--help" || first == "-h" || first == "help");
}

bool print_help() {
  const bool is_written =
      std::fwrite(kText.data(), 1, kText.size(), stdout) == kText.size() &&
      std::fflush(stdout) == 0;
  if (!is_written) std::perror("gpunode-runtime: write standard output");
  return is_written;
}

}  // namespace gpunode::runtime
