// The runtime that does the work: runc, crun, or what config.toml names.
#pragma once

#include <string>
#include <vector>

#include "base/core/result.h"

namespace gpunode::runtime {

/// The first candidate that can be run. kNotFound, in NVIDIA's words, if there
/// is none.
Result<std::string> find_low_level(const std::vector<std::string>& candidates);

/// Becomes `program`, with its path as argv[0] and the environment as it is.
/// Returns only on failure, with errno as execve(2) left it.
Error become(const std::string& program, char** arguments);

/// For calls that change nothing: the candidates as the start before libc
/// finds them (fast_start.cc), or `candidates` where that cannot say.
Error become_first(const std::vector<std::string>& candidates,
                   char** arguments);

}  // namespace gpunode::runtime
