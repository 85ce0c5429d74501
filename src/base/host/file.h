// Replacing a file so that no reader ever sees half of it.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "base/core/result.h"

namespace gpunode::host {

/// kDurable survives a power cut (fsync of file and directory) and is for what
/// must: journals, host configuration. kVolatile is for tmpfs and for what is
/// written anew at every start.
enum class Durability { kVolatile, kDurable };

/// Makes `path` a regular file with exactly `bytes` and `mode` (whatever the
/// umask), by a hidden temporary file in the same directory and a rename. A
/// link at `path` is replaced, not followed. On failure the old file is as it
/// was and nothing is left beside it; only a failing fsync of the directory is
/// reported after the replacement.
Result<void> write_file_atomic(const std::string& path, std::string_view bytes,
                               mode_t mode, Durability durability);

}  // namespace gpunode::host
