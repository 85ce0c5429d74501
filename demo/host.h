// A host of files that the demo's gpunode prepares, and the seed's machine as
// it was recorded.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "demo/programs.h"

namespace gpunode::demo {

/// The recorded g5.4xlarge below `root`, with `spec` as its GPUNode file. Only
/// to be looked at.
Result<void> lay_recorded_host(const Programs& programs,
                               const std::filesystem::path& root,
                               std::string_view spec);

/// A Debian of a few files below `root`, with the program and `spec`: enough
/// for the Steps that files and settings are all of.
Result<void> lay_small_host(const Programs& programs,
                            const std::filesystem::path& root,
                            std::string_view spec);

/// `gpunode` with these words, to which that host is "/": in mount and pid
/// namespaces of its own, with the settings of the kernel as files.
Result<host::Completed> run_on_small_host(const std::filesystem::path& root,
                                          const std::vector<std::string>& words,
                                          host::CommandRunner& runner);

}  // namespace gpunode::demo
