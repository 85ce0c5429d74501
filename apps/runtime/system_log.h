// The system's log, for what nobody else would keep: low-level runtimes drop
// what a hook that succeeds has to say.
#pragma once

#include <string_view>

namespace gpunode::runtime {

/// The socket that journald and syslog daemons read.
inline constexpr const char* kSystemLog = "/dev/log";

/// Sends a warning, named gpunode-runtime there. Where nobody reads, or not
/// quickly enough, it is dropped: a container does not wait for a log.
void warn_system_log(std::string_view message, const char* path = kSystemLog);

}  // namespace gpunode::runtime
