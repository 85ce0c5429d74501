// Opening a path that may not leave a directory, whatever the tree contains.
//
// The tree may belong to a container image or be written to while we look:
// absolute links, "..", link loops and directories swapped in mid-walk are all
// answered inside the root. Linux 5.6 does this in one call; older kernels, and
// seccomp filters that do not know openat2, get a walk by descriptors.
#pragma once

#include <string>

#include "base/core/result.h"
#include "base/core/unique_fd.h"

namespace gpunode::host {

/// Opens `path` as if `root_fd` were "/", O_CLOEXEC added to `flags`. Both
/// "a/b" and "/a/b" are relative to the root. Magic links of procfs
/// (/proc/N/fd/M and the like) lead out of any root and are refused with ELOOP.
/// Cannot create files. On failure the errno is the error.
struct OpenOutcome {
  UniqueFd fd;
  int error = 0;  ///< errno; 0 when `fd` is open.
};
OpenOutcome open_in_root(int root_fd, const std::string& path, int flags);

/// open_in_root for kernels without openat2: one O_PATH descriptor a
/// component, so that ".." is the directory we came from and never the
/// kernel's idea of a parent. Public because the two must agree, which tests
/// check on the same trees.
OpenOutcome walk_in_root(int root_fd, const std::string& path, int flags);

}  // namespace gpunode::host
