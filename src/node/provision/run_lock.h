// One gpunode at a time changes a host.
#pragma once

#include <functional>
#include <string>

#include "base/core/result.h"
#include "base/core/unique_fd.h"
#include "base/host/host_root.h"

namespace gpunode::provision {

/// Held until destroyed; the kernel lets go of it if the process dies.
class RunLock {
 public:
  /// kUnavailable if another program has it; the message says who: its pid and
  /// command.
  /// `outlasts` is called with who that is as long as another has it, and waits
  /// a while itself; false, or none, gives up.
  static Result<RunLock> take(
      const host::HostRoot& host, const std::string& command,
      const std::function<bool(const std::string&)>& outlasts = nullptr);

 private:
  explicit RunLock(UniqueFd fd) : fd_(std::move(fd)) {}

  UniqueFd fd_;
};

inline constexpr const char* kLockPath = "/run/gpunode.lock";

}  // namespace gpunode::provision
