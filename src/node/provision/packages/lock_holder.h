// Who holds a package manager's lock.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/host/host_root.h"
#include "node/provision/packages/package.h"

namespace gpunode::packages {

/// A process that keeps others from changing packages.
struct LockHolder {
  int pid = 0;
  std::string command;  ///< Its command line, redacted; empty: not readable.
  std::string lock;     ///< The file, as the host names it; may be empty.
};

/// "apt-get -y upgrade (pid 5225)".
std::string describe(const LockHolder& holder);

/// The process that a tool blames in its output; 0 if it names none. Pure.
int blamed_pid(std::string_view output);

/// That process with its command line, as `host`'s /proc has it.
LockHolder holder_of(const host::HostRoot& host, int pid);

/// Everybody who holds one of the tool's locks now: fcntl(2) locks by
/// /proc/locks, locks by pid file if that process lives. For a preflight; who
/// is gone a moment later was there. Does not try the locks itself.
std::vector<LockHolder> lock_holders(const host::HostRoot& host, Tool tool);

/// Looks up to `looks` times, with a pause between two, until nobody holds a
/// lock. Whoever holds one then; empty: it is free.
std::vector<LockHolder> outlast_holders(
    const std::function<std::vector<LockHolder>()>& look,
    const std::function<void()>& pause, unsigned looks);

}  // namespace gpunode::packages
