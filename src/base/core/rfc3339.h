// Times as logs and other programs read them.
#pragma once

#include <chrono>
#include <string>

namespace gpunode {

/// "2026-11-25T09:30:00Z": UTC, whole seconds, RFC 3339.
std::string rfc3339(std::chrono::system_clock::time_point when);

/// The same, of any year from 0 to 9999: the clock's own type ends in 2262.
std::string rfc3339(std::chrono::sys_seconds when);

}  // namespace gpunode
