// Which containers use GPUs now, and would a restart take them away?
//
// When systemd re-reads its units it gives every container the devices that
// the unit lists, and it finds them by links /dev/char/MAJOR:MINOR, which udev
// does not make for NVIDIA's nodes ("Failed to initialize NVML: Unknown
// Error"). A restart of an engine often brings such a re-read along.
#pragma once

#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/host/host_root.h"

namespace gpunode::engines {

/// A process inside a container that has an NVIDIA device open, or in its /dev:
/// a program that opens its GPU for each job uses it too.
struct GpuUser {
  std::string process_id;
  std::string program;  ///< As the kernel names it, at most 15 characters.
  bool is_open = false;
};

/// Looks at /proc; those that have a device open come first. A container's
/// /dev counts only if its mount namespace is not this process's: one of ours
/// has the host's. Processes that cannot be looked at are passed over. Below
/// another root than "/" no container's /dev can be seen.
std::vector<GpuUser> gpu_users(const host::HostRoot& root);

}  // namespace gpunode::engines
