// What a container's lanes say, at one moment.
#pragma once

#include <cstdint>

#include "base/core/clock.h"

namespace gpunode::share {

/// What the lanes of one container on the Device say. They are written by the
/// container: who lies has no more than its part, unless it says that it has
/// done nothing; then the hardware slices between it and the others.
struct TurnLook {
  bool wants = false;          ///< A thread waits for its turn.
  bool is_busy = false;        ///< The GPU has fences to pass.
  bool has_tail = false;       ///< Launches without a fence behind them.
  Duration tail{};             ///< How long these take, at most, as it seems.
  std::uint64_t launches = 0;  ///< So far.
  std::uint64_t passed = 0;    ///< Fences that the GPU has passed so far.
  /// Turns that it came too late for: when it says so, it has CPU.
  std::uint64_t missed = 0;

  bool operator==(const TurnLook&) const = default;
};

}  // namespace gpunode::share
