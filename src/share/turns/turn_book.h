// Who has a GPU next, and for how long: the decisions, without clocks, files
// and threads.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>

#include "base/core/clock.h"

namespace gpunode::share {

/// What becomes of time that a container's part gives it and it does not use.
enum class TurnPolicy : std::uint8_t {
  kFair,   ///< It is everybody's, by their parts.
  kBurst,  ///< It is everybody's, after those who have used less than their
           ///< part.
  kHard,   ///< Nobody's: a part is all that one gets.
};

/// What the lanes of one container on the Device say.
struct TurnLook {
  bool wants = false;     ///< A thread waits for its turn.
  bool is_busy = false;   ///< The GPU has fences to pass.
  bool has_tail = false;  ///< Launches without a fence behind them.
  Duration tail{};        ///< How long these take, at most, as it seems.
  std::uint64_t launches = 0;  ///< So far.
};

/// What is to be, from now until `wake` or the next news of a container.
struct Turn {
  std::optional<std::uint32_t> open;  ///< Who may launch; nobody else may.
  bool is_contended = false;          ///< Others want to.
  std::optional<TimePoint> wake;
};

/// One Device's containers, each with a part of its time. One at a time may
/// launch; the next one may when the GPU has passed the last one's fences, so
/// that what one takes is seen apart from what others take. Where that takes
/// long, as with kernels of many milliseconds, the next one does not wait: the
/// hardware slices between both then, and both pay. Whoever has had the least
/// time for its part is next; who was idle saves nothing up. One thread.
class TurnBook {
 public:
  using Key = std::uint32_t;
  using Looks = std::map<Key, TurnLook>;

  static constexpr std::chrono::milliseconds kLongest{10};
  static constexpr std::chrono::milliseconds kShortest{2};
  /// Time that is shared out among those who take part.
  static constexpr std::chrono::milliseconds kRound{40};
  /// Who has nothing to do for so long loses its turn to who has.
  static constexpr std::chrono::microseconds kIdle{100};
  /// The next one waits for the last one's work no longer than this.
  static constexpr std::chrono::milliseconds kDrain{10};

  void set_policy(TurnPolicy policy) { policy_ = policy; }
  /// `part` of the Device's time, above 0 and up to 1; again, to change it.
  void set(Key key, double part);
  void remove(Key key);
  bool is_empty() const { return members_.empty(); }

  /// `looks` has those that were set; of others nothing is known. `now` may not
  /// go back; a jump counts as no more than kRound.
  Turn step(TimePoint now, const Looks& looks);

  /// Time that was charged to the container so far.
  Duration used(Key key) const;

 private:
  using Nanoseconds = double;
  struct Member {
    double part = 1;
    Nanoseconds served = 0;  ///< Time used, over the part.
    Nanoseconds used = 0;
    Nanoseconds credit = 0;  ///< Of its part, not used yet; debts too.
    std::uint64_t launches = 0;
    bool is_trailing = false;  ///< Works on after its turn.
  };

  void charge(Nanoseconds passed, const Looks& looks);
  void end_turn(TimePoint now, const Looks& looks);
  void begin_turn(TimePoint now, const Looks& looks);
  bool may_begin(const Member& member) const;
  Duration longest_turn(const Looks& looks) const;
  std::optional<TimePoint> next_credit(TimePoint now, const Looks& looks) const;

  TurnPolicy policy_ = TurnPolicy::kFair;
  std::map<Key, Member> members_;
  std::optional<TimePoint> last_;
  /// Of the last one that began: what those who come back begin with.
  Nanoseconds clock_ = 0;
  std::optional<Key> holder_;
  TimePoint begun_;
  std::optional<TimePoint> closed_;  ///< Since when its work is waited for.
  std::optional<TimePoint> idle_;    ///< Since when it has nothing to do.
};

}  // namespace gpunode::share
