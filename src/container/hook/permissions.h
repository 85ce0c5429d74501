// Permissions of files in a container's root.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/host/root_directory.h"

namespace gpunode::hook {

/// Gives what `path` leads to, links followed inside the root, the permission
/// bits `mode`. kNotFound if nothing is there.
Result<host::Change> change_mode(const host::RootDirectory& root,
                                 const std::string& path, mode_t mode);

}  // namespace gpunode::hook
