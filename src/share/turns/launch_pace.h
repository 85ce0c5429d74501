// Whether a program goes on while its work is held.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/core/clock.h"

namespace gpunode::share {

/// How fast a container launches in its turns, and what it had held before
/// them. One that goes on launching while it is not its turn loses nothing by
/// giving the GPU away as soon as it has caught up with it; one that waits for
/// its kernels would.
class LaunchPace {
 public:
  /// What was held is judged by what it launches in so long, at most: nobody
  /// can have more held than so much.
  static constexpr std::chrono::milliseconds kJudged{4};
  /// Fewer held launches than these say nothing.
  static constexpr std::uint64_t kFewest = 8;
  /// Of its pace in turns.
  static constexpr double kGoesOn = 0.6;
  static constexpr double kNews = 0.25;

  /// Its turn begins, `waited` after it wanted one; it has launched so much
  /// that was not held.
  void begin(std::uint64_t launches, Duration waited);
  /// Amid its turn, `passed` after begin() or the last of these.
  void see(std::uint64_t launches, Duration passed);

  bool goes_on() const { return ratio_ >= kGoesOn; }

 private:
  void judge(std::uint64_t held);

  double ratio_ = 0;        ///< Of what was held to what it launches in turns.
  bool is_let_in_ = false;  ///< What was held before this turn was seen.
  std::uint64_t launches_ = 0;
  Duration waited_{};
  // Of its turns; of those before the last one by half less each.
  double open_launches_ = 0;
  double open_nanoseconds_ = 0;
};

}  // namespace gpunode::share
