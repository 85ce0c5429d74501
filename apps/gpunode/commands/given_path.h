// Paths as a person writes them on the command line.
#pragma once

#include <string>

namespace gpunode::cli {

/// `path` for a HostRoot at `root`, for which every path is below its "/": a
/// relative one is of the directory that the person is in, which there is only
/// on the running host; below another root it is below that. Empty stays empty.
std::string given_path(const std::string& path, const std::string& root = "/");

}  // namespace gpunode::cli
