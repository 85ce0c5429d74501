// From a container into the host that it runs on.
#pragma once

#include <string>

#include "base/core/result.h"

namespace gpunode::host {

/// From now on this process sees the file systems that process 1 sees, with "/"
/// for its root and working directory; programs that it starts do, too.
/// Descriptors that are open stay what they were. Nothing happens where it sees
/// them already. `namespace_path` is "/proc/1/ns/mnt" but in tests.
///
/// Only a process of one thread may (kInvalidArgument), with CAP_SYS_ADMIN and
/// CAP_SYS_CHROOT (kPermissionDenied). That process 1 is the host's, and not
/// the container's own, is for the caller to see.
Result<void> enter_mount_namespace(const std::string& namespace_path);

}  // namespace gpunode::host
