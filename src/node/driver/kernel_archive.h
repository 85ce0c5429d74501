// Where a distribution keeps the packages of kernels that its repositories no
// longer have: vaults with a directory for each point release, and snapshots of
// a day.
//
// Pure. Nothing here says that a package is there: the manager does.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "node/facts/host_facts.h"

namespace gpunode::driver {

/// What asks for a point release's directory (rpm); apt's archives are asked
/// for by a day.
inline constexpr const char* kPointRelease = "point-release";

/// One repository of an archive.
struct ArchiveRepository {
  std::string name;                      ///< "baseos"; "" of the only one.
  std::string url;                       ///< With its last slash.
  std::vector<std::string> suites = {};  ///< apt: "bookworm".

  friend bool operator==(const ArchiveRepository&,
                         const ArchiveRepository&) = default;
};

/// Whether `text` is a day, "20240905".
bool is_archive_day(std::string_view text);

/// The repositories of the archive that have, or had that day, the packages of
/// kernel `release`. `wanted` is kPointRelease or a day; kUnsupported, in words
/// with what to do instead, where there is no such archive.
Result<std::vector<ArchiveRepository>> kernel_archive(
    const facts::HostFacts& host, std::string_view release,
    std::string_view wanted);

/// "8.10" of "4.18.0-553.el8_10.x86_64": a kernel may be of a later point
/// release than the host. The host's own where the release does not say.
std::string point_release_of(const facts::OsRelease& os,
                             std::string_view release);

}  // namespace gpunode::driver
