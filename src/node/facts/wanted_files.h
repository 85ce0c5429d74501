// Wanted files and directories of a host.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/host/command_runner.h"
#include "base/host/host_root.h"
#include "node/facts/host_facts.h"
#include "node/facts/wanted.h"

namespace gpunode::facts {

/// Longer files are no configuration; FileFacts::error says so.
inline constexpr std::uint64_t kFileLimitBytes = std::uint64_t{1} << 20U;

/// Of a pattern, "/etc/yum.repos.d/*.repo": further files are a gap.
inline constexpr std::size_t kPatternLimit = 256;

/// A wanted file "/usr/bin/x#sha256" stands for a program: its content in the
/// facts is the SHA-256 of the file's, in hex, and the file may be longer.
inline constexpr std::string_view kDigestEnding = "#sha256";
inline constexpr std::uint64_t kProgramLimitBytes = std::uint64_t{64} << 20U;

/// Directories are not counted further.
inline constexpr std::uint64_t kEntryLimit = 4096;

/// Fills `facts.files`. Those that are there and cannot be read, and those that
/// are no text, are gaps as well.
void read_wanted_files(const host::HostRoot& host, const Wanted& wanted,
                       HostFacts& facts);

/// Fills `facts.trees`; what is a mount point is told by `facts.storage`.
void read_wanted_trees(const host::HostRoot& host, const Wanted& wanted,
                       HostFacts& facts);

/// What SELinux's policy has for those trees; asked of the running host alone,
/// and only where SELinux enforces.
void read_policy_labels(const host::HostRoot& host, host::CommandRunner& runner,
                        HostFacts& facts);

}  // namespace gpunode::facts
