// An engine's configuration file on the disk: read, replaced, taken away.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "base/core/result.h"
#include "base/host/host_root.h"

namespace gpunode::engines {

/// Reads the text at `path`; nothing if there is no file. A link is followed,
/// so that what another tool linked there is what is read and written; one that
/// leads nowhere is kNotFound.
Result<std::optional<std::string>> read_config(const host::HostRoot& root,
                                               const std::string& path);

/// Makes the file at `path`, or where its link leads, have `text`, or takes it
/// away. Mode and owner stay; a new file is 0644 in directories of 0755. No
/// link leads out of `root`. Atomic and durable. Errors name the file.
Result<void> write_config(const host::HostRoot& root, const std::string& path,
                          const std::optional<std::string>& text,
                          mode_t new_mode = 0644);

}  // namespace gpunode::engines
