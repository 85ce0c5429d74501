// Wanted files and directories of a host.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/host/host_root.h"
#include "node/facts/host_facts.h"
#include "node/facts/wanted.h"

namespace gpunode::facts {

/// Longer files are no configuration; FileFacts::error says so.
inline constexpr std::uint64_t kFileLimitBytes = std::uint64_t{1} << 20U;

/// Directories are not counted further.
inline constexpr std::uint64_t kEntryLimit = 4096;

/// Fills `facts.files`. Those that are there and cannot be read, and those that
/// are no text, are gaps as well.
void read_wanted_files(const host::HostRoot& host, const Wanted& wanted,
                       HostFacts& facts);

/// Fills `facts.trees`; what is a mount point is told by `facts.storage`.
void read_wanted_trees(const host::HostRoot& host, const Wanted& wanted,
                       HostFacts& facts);

}  // namespace gpunode::facts
