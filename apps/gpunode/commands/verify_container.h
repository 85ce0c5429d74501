// Level 4 of `gpunode verify`: a container of containerd's.
#pragma once

#include <chrono>
#include <string>

#include "base/host/command_runner.h"
#include "base/host/host_root.h"
#include "node/diagnose/verify_levels.h"

namespace gpunode::cli {

struct ContainerOptions {
  std::string vectoradd;  ///< gpunode-vectoradd, as an absolute path.
  std::string runtime;    ///< gpunode-runtime, the same.
  std::chrono::seconds timeout{60};
};

/// Makes a root below /var/lib/gpunode with the program, the C library and
/// nothing of the driver, runs it by `ctr run` with gpunode-runtime as the
/// runtime, and takes all away again, whatever came of it.
diagnose::ContainerTrial try_container(const ContainerOptions& options,
                                       const host::HostRoot& host,
                                       host::CommandRunner& runner);

}  // namespace gpunode::cli
