// SHA256SUMS of a directory, in the form of sha256sum(1): every file of it, and
// nothing that is not in it.
//
// Digests are made by the host's own /usr/bin/sha256sum, since packages are of
// hundreds of megabytes.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/core/result.h"
#include "base/host/command_runner.h"

namespace gpunode::offline {

/// By path below the directory, "packages/a.deb": 64 hexadecimal digits.
using Sums = std::map<std::string, std::string>;

/// Its name in a directory.
inline constexpr const char* kSumsName = "SHA256SUMS";

/// kCorrupt, with the line, for anything but "DIGEST  PATH" lines with paths
/// that stay below the directory, each once.
Result<Sums> parse_sums(std::string_view text);
std::string sums_text(const Sums& sums);

/// Digests of all files below `directory`, SHA256SUMS itself left out. Links,
/// devices and names that a list can't hold are kInvalidArgument.
Result<Sums> sum_directory(const std::string& directory,
                           host::CommandRunner& runner);

/// Whether `directory` is what it was when it was made. kCorrupt names the
/// first file that is another, is missing or was added; also if SHA256SUMS is
/// not of digest `sums_digest`. kPermissionDenied if others than root could
/// change what is checked, after it is.
Result<void> check_directory(const std::string& directory,
                             const std::string& sums_digest,
                             host::CommandRunner& runner);

}  // namespace gpunode::offline
