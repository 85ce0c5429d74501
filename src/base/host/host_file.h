// Changing the files of a host that may be mounted elsewhere.
#pragma once

#include <string>
#include <string_view>

#include "base/core/result.h"
#include "base/host/host_root.h"
#include "base/host/root_directory.h"

namespace gpunode::host {

/// The host's root for changing what is in it. Links lead nowhere else:
/// /var/run of most hosts is a link to /run, which must be theirs and not ours.
/// Unlike RootDirectory::open this takes the root of the process itself, too.
Result<RootDirectory> open_host(const HostRoot& host);

/// Puts before an error that names a path of the host where that is mounted.
Error below(const HostRoot& host, Error error);

/// RootDirectory::replace_file in it: a link at `path` is replaced. The file
/// may have rivals.
Result<void> replace_host_file(const HostRoot& host, const std::string& path,
                               std::string_view bytes, FileForm form);

/// That nothing is there is no failure.
Result<void> remove_host_file(const HostRoot& host, const std::string& path);

}  // namespace gpunode::host
