// Who listens on a unix socket.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace gpunode::diagnose {

struct Listener {
  std::string socket;   ///< Its path.
  pid_t pid = 0;        ///< 0: of a PID namespace that is not seen from here.
  std::string program;  ///< As the kernel names it; empty: unknown.
};

/// Connects to `path` and hangs up. Nothing if nobody listens there, or it may
/// not be asked. Does not wait.
std::optional<Listener> listener_on(const std::string& path);

/// "nvidia-device-p (process 12)", or that it cannot be seen.
std::string name_of(const Listener& listener);

}  // namespace gpunode::diagnose
