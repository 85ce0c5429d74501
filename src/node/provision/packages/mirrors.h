// Where repositories are fetched from instead, as a GPUNode file's `mirrors`
// says. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/core/result.h"

namespace gpunode::packages {

/// By the beginning of a URL: what stands there instead. No trailing slashes.
using Mirrors = std::map<std::string, std::string>;

/// `url` with its longest beginning that has a mirror replaced; a beginning
/// ends where a path's part ends. Unchanged if it has none.
std::string mirrored(std::string_view url, const Mirrors& mirrors);

/// kInvalidArgument, in words for the file's owner, unless `from` is a URL of
/// http or https and `to` one of these or file:///, both without what a
/// repository file can't hold, and without user and password: these files are
/// for everyone to read.
Result<void> check_mirror(std::string_view from, std::string_view to);

}  // namespace gpunode::packages
