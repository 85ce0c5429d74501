// What containers have had of a GPU and are owed of it, and so which of them is
// before the others: numbers, without turns, clocks, files and threads.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>

#include "base/core/clock.h"
#include "share/grants/grant.h"
#include "share/turns/launch_pace.h"
#include "share/turns/nanoseconds.h"
#include "share/turns/turn_look.h"
#include "share/turns/work_record.h"

namespace gpunode::share {

/// One container's. Moments are on the clock of who keeps the claims.
struct TurnClaim {
  std::uint32_t key = 0;
  double part = 1;  ///< Of the GPU's time, above 0 and up to 1.
  std::int32_t priority = 0;

  /// Time used, over the part, beyond what the one of the same priority who
  /// has had the least had. Never below -kLag.
  Nanoseconds ahead = 0;
  Nanoseconds began_ahead =
      0;  ///< When its turn began; then on the same count.
  /// Of its part of the time that went by, not used yet; below 0: used before
  /// its time.
  Nanoseconds credit = 0;
  Nanoseconds used = 0;
  Nanoseconds worked = 0;  ///< Since the last look, were it alone.
  Duration waited{};       ///< Wanted to launch and had no turn.
  std::uint64_t turns = 0;

  WorkRecord work;
  LaunchPace pace;
  Duration asked{};  ///< Since when it wants a turn, and has none.
  /// When it last wanted one; nothing: never.
  std::optional<Duration> wanted;
  bool wants = false;    ///< It asks for a turn, and is not passed over.
  bool is_kept = false;  ///< It does so since the last look, at least.
  Duration again{};      ///< Passed over until then.
  Duration pause{};      ///< How long that was.

  /// What it has used before its time.
  Nanoseconds debt() const { return std::max(-credit, 0.0); }
};

/// Those of all containers that share one Device. `holder` is who has the
/// Device's turn, if anybody has, to its very end; `open` the same as long as
/// it may launch in it. One thread.
class TurnClaims {
 public:
  using Key = std::uint32_t;
  using Looks = std::map<Key, TurnLook>;

  /// Nobody pays back more than this.
  static constexpr std::chrono::seconds kMostDebt{10};
  /// Who has nothing to do for a while, or gives the GPU away, comes to be no
  /// further behind others than this, in time over its part.
  static constexpr std::chrono::milliseconds kLag{10};
  /// What one may save of its part while it is idle, under kHard, and what it
  /// needs to begin a turn; under kBurst it is its part of kWindow.
  static constexpr std::chrono::microseconds kSaved{1500};
  static constexpr std::chrono::milliseconds kWindow{100};
  /// What one who is kept waiting does not lose of its part, under kHard: a
  /// turn.
  static constexpr std::chrono::milliseconds kSavedWaiting{10};

  void set_policy(TurnPolicy policy);
  TurnPolicy policy() const { return policy_; }
  /// A new one, or another part or priority of one that is there.
  void set(Key key, double part, std::int32_t priority);
  void remove(Key key) { claims_.erase(key); }

  const std::map<Key, TurnClaim>& all() const { return claims_; }
  /// It is one of those that were set.
  const TurnClaim& at(Key key) const { return claims_.at(key); }
  /// Null: there is none.
  const TurnClaim* find(Key key) const;

  /// What all of them say at `now`, `passed` after the last time; those who are
  /// not in `looks` have nothing to do.
  void see(const Looks& looks, Duration now, Duration passed,
           std::optional<Key> open);
  /// Then: all are given their part of what passed, and pay for what they had.
  void settle(Duration passed, std::optional<Key> holder);
  /// Time that nobody had any use for pays debts.
  void forgive(Duration passed);

  /// Its turn begins. It counts what it has had from here.
  void begin_turn(Key key, Duration now);
  /// It goes on, as if its turn began.
  void renew_turn(Key key);
  /// It does not come: for a while others go before it, longer each time.
  void pass_over(Key key, Duration now);
  /// It goes behind the next one who is its equal: what it has not used of its
  /// part is the others', but for kLag.
  void give_away(Key key);

  /// The best of those who want a turn and may have one; null: there is none.
  const TurnClaim* next_but(std::optional<Key> holder) const;
  /// Whether the first comes before the second.
  bool is_before(const TurnClaim& one, const TurnClaim& other) const;
  /// For how long it has waited, under kBurst, for what is left of its part.
  Nanoseconds owed(const TurnClaim& claim) const;
  /// Whether one of a higher priority wants the holder's turn.
  bool is_outranked(const TurnClaim& holder) const;
  /// The holder's part, and those of all who want a turn.
  double parts_wanted(Key holder) const;
  /// How long until the first of those who wait for more than the holder may
  /// have a turn.
  std::optional<Duration> next_chance(Duration now,
                                      std::optional<Key> holder) const;

 private:
  struct Rank;

  void see(TurnClaim* claim, const TurnLook& look, Duration now,
           Duration passed, bool is_open) const;
  void charge(Duration passed, std::optional<Key> holder);
  void level(std::optional<Key> holder);

  bool may_begin(const TurnClaim& claim) const;
  std::int64_t priority(const TurnClaim& claim) const;
  Rank rank(const TurnClaim& claim) const;
  Duration most_saved(const TurnClaim& claim) const;
  Nanoseconds least_credit(const TurnClaim& claim,
                           std::optional<Key> holder) const;

  TurnPolicy policy_ = TurnPolicy::kFair;
  std::map<Key, TurnClaim> claims_;
};

}  // namespace gpunode::share
