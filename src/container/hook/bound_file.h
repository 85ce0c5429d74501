// A generated file over one that cannot, or must not, be changed in place.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/host/root_directory.h"

namespace gpunode::hook {

/// Mounts a read-only file with `bytes` over the regular file `path` of a root,
/// in this process's mount namespace. The file is in the host's /run (or else
/// /dev/shm or /tmp), loses its name there at once, and is gone with the mount.
/// Names that were left there by calls that were killed are removed.
/// kNotFound if nothing is at `path`. Nothing is done if it has these bytes.
Result<host::Change> bind_over(const host::RootDirectory& root,
                               const std::string& path, std::string_view bytes);

/// Takes away the mount at `path` whose file has exactly these bytes, in this
/// process's mount namespace. kNone if there is none.
Result<host::Change> uncover(const host::RootDirectory& root,
                             const std::string& path, std::string_view bytes);

/// Replaces the file `path`, by which a loader finds the driver's libraries,
/// or else mounts one with these bytes over it. Where neither can be done for
/// a reason that is the container's own, a missing file on a read-only disk or
/// a mount of its own that stands there, the container starts without: that is
/// the warning returned.
Result<std::optional<std::string>> replace_or_cover(
    const host::RootDirectory& root, const std::string& path,
    std::string_view bytes);

/// How a file is mounted, for tests: bind_over takes the first that the kernel
/// has. kTree never shows a writable mount; it needs Linux 5.12.
enum class BindMethod { kTree, kClassic };

/// Mounts the file behind `file` over what `target` stands for, read-only;
/// `reopen` is asked for the target again once it is covered (kClassic).
/// Returns errno or 0.
int bind_file(BindMethod method, int file, int target,
              const host::RootDirectory& root, const std::string& path);

}  // namespace gpunode::hook
