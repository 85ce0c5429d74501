// Where musl's loader looks: /etc/ld-musl-<arch>.path.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/host/root_directory.h"

namespace gpunode::hook {

/// `text` with those of `folders` that it lacks at its end. Entries are
/// separated by newlines or colons.
std::string with_musl_folders(std::string_view text,
                              const std::vector<std::string>& folders);

/// Does so for every musl loader in the root. A file that is not there starts
/// with the directories that musl searches without one, since the file takes
/// their place. What cannot be written is in `warnings`.
Result<void> update_musl_paths(const host::RootDirectory& root,
                               const std::vector<std::string>& folders,
                               std::vector<std::string>& warnings);

}  // namespace gpunode::hook
