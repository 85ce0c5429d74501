// What can be told of an action while it goes on.
#pragma once

#include <cstdint>
#include <functional>

#include "base/host/watched_command_runner.h"

namespace gpunode::provision {

/// Told from the executing thread, but for tick(): who makes both calls lets
/// one wait for the other.
class WorkWatch : public host::OutputWatch {
 public:
  /// `copied` says how many of `total` bytes are there by now; it is called
  /// until copy_ended().
  virtual void copy_started(std::uint64_t total,
                            std::function<std::uint64_t()> copied) = 0;
  virtual void copy_ended() = 0;

  /// Time went by: about once a second.
  virtual void tick() = 0;
};

}  // namespace gpunode::provision
