// Times as logs and other programs read them.
#pragma once

#include <chrono>
#include <string>

namespace gpunode {

/// "2026-11-25T09:30:00Z": UTC, whole seconds, RFC 3339.
std::string rfc3339(std::chrono::system_clock::time_point when);

}  // namespace gpunode
