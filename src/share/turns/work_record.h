// What a container has done on a GPU, as one look after the other tells.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "base/core/clock.h"
#include "share/turns/turn_look.h"

namespace gpunode::share {

/// All times are on one clock that does not go back.
class WorkRecord {
 public:
  /// Who has had so much of the GPU's time for work that does not move has work
  /// that does not end.
  static constexpr std::chrono::seconds kPersistent{5};
  /// Likewise: its priority counts no more until something moves.
  static constexpr std::chrono::milliseconds kStalled{100};
  /// Of the GPU's time from one fence to the next: where that is more, a gap
  /// between them costs little.
  static constexpr std::chrono::milliseconds kLong{4};
  /// Launches without a fence behind them are believed to take no longer.
  static constexpr std::chrono::milliseconds kLongestTail{10};

  /// Seen `now`, `passed` after the last look. How long it was at work between
  /// both, were it alone on the GPU: by what it was at either moment, so right
  /// in the mean where the looks are far apart.
  Duration see(const TurnLook& look, Duration now, Duration passed);
  /// It had so much of the GPU's time between both, in nanoseconds.
  void add_time(double had);

  const TurnLook& look() const { return look_; }
  bool is_persistent() const;
  bool is_stalled() const;
  /// It waits to launch, or has work that would be done sooner alone.
  bool asks() const { return look_.wants || is_at_work(); }
  bool is_at_work() const { return look_.is_busy && !is_persistent(); }
  /// Since when its work is done; nothing while it is not.
  std::optional<Duration> done() const;
  bool has_long_pieces() const;
  /// At the last two looks nothing with a fence was left to do.
  bool has_caught_up() const { return rests_ >= 2; }
  /// When it was last seen not to be busy.
  Duration rested() const { return rested_; }
  /// When launches were last seen.
  Duration launched() const { return launched_; }

 private:
  TurnLook look_;
  Duration tail_{};   ///< Not seen as work yet.
  Duration moved_{};  ///< When something of its work was last seen.
  Duration rested_{};
  unsigned rests_ = 0;  ///< Looks since it was busy.
  Duration launched_{};
  double unmoved_ = 0;        ///< Time that it had since its work moved.
  double piece_ = 0;          ///< Time from one fence to the next, lately.
  double unpassed_ = 0;       ///< Time that it had since it passed a fence.
  std::uint64_t passes_ = 0;  ///< Fences that it passed since the last look.
};

}  // namespace gpunode::share
