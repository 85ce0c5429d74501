// Replacing and removing files of a host that may be mounted elsewhere.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "base/core/result.h"
#include "base/host/host_root.h"

namespace gpunode::host {

/// Makes `path` a regular file with exactly these bytes and this mode, in one
/// step, its directories where missing. Under a prefix no link leads out of it:
/// /var/run of most hosts is a link to /run, which must be theirs and not ours.
/// Survives no power cut: for files of /run.
Result<void> replace_host_file(const HostRoot& host, const std::string& path,
                               std::string_view bytes, mode_t mode);

/// That nothing is there is no failure.
Result<void> remove_host_file(const HostRoot& host, const std::string& path);

}  // namespace gpunode::host
