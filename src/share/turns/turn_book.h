// Whose turn on a GPU it is, when that ends, and when to look again: the
// decisions, without clocks, files and threads. Who is next is for the claims.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "base/core/clock.h"
#include "share/grants/grant.h"
#include "share/turns/turn_claims.h"

namespace gpunode::share {

/// What is to be, from now until `wake` or the next news of a container.
struct TurnPlan {
  std::optional<std::uint32_t> open;  ///< Who may launch; nobody else may.
  /// Others want to, or did lately: who has the turn is not to run far ahead
  /// of the GPU, and says when it has nothing to do.
  bool is_contended = false;
  std::optional<TimePoint> wake;  ///< Look again then, at the latest.
};

/// One Device's containers, each with a part of its time. One at a time may
/// launch; the next one may when the GPU has passed the last one's fences, so
/// that what one takes is seen apart from what others take. Where that takes
/// long, as with kernels of many milliseconds, the next one does not wait: the
/// hardware slices between both then, and each pays for its half. Whoever has
/// had the least time for its part is next; who was idle saves nothing up. Who
/// has a higher priority goes first, whatever it had, and waits for no turn's
/// end: parts are counted among equals. Under kBurst and kHard no priority
/// takes a part from who has it. One thread.
class TurnBook {
 public:
  using Key = TurnClaims::Key;
  using Looks = TurnClaims::Looks;

  /// A turn is a part of kRound, and within these. Short ones cost more in
  /// changing hands, long ones make others wait.
  static constexpr std::chrono::milliseconds kRound{40};
  static constexpr std::chrono::milliseconds kLongest{10};
  static constexpr std::chrono::milliseconds kShortest{2};
  /// Who has nothing to do for so long loses its turn to who has. A program
  /// that waits for each of its kernels has gaps below this.
  static constexpr std::chrono::microseconds kIdle{40};
  /// Who waited for its turn has as long to begin with it: threads wake slowly.
  static constexpr std::chrono::microseconds kWaking{400};
  /// A turn of one that loses nothing by it (LaunchPace) ends as soon as it has
  /// caught up with the GPU, if others wait; not before this.
  static constexpr std::chrono::microseconds kCatchUp{200};
  /// From one look at a holder whom others wait for to the next. With kIdle
  /// 100 µs; more where it was busy for long.
  static constexpr std::chrono::microseconds kLook{60};
  /// The next one waits for the last one's work no longer than this.
  static constexpr std::chrono::milliseconds kDrain{10};
  /// Who was given its turn and does not launch for so long has died, is
  /// stopped, or has no CPU: it is passed over until something of its look
  /// changes, and tried again now and then.
  static constexpr std::chrono::milliseconds kDead{2};
  /// A turn that nobody else wants ends when nothing was done in it for so
  /// long: then nobody needs to look until the next launch asks.
  static constexpr std::chrono::milliseconds kLeft{100};
  /// Who others waited for less long ago than this does not run far ahead.
  static constexpr std::chrono::seconds kContended{1};
  /// What may be owed and saved: see TurnClaims.
  static constexpr auto kMostDebt = TurnClaims::kMostDebt;
  static constexpr auto kLag = TurnClaims::kLag;
  static constexpr auto kWindow = TurnClaims::kWindow;
  static constexpr auto kSaved = TurnClaims::kSaved;
  /// Time from one step to the next counts as no more than this, or than
  /// kMostDebt if nobody had anything to do.
  static constexpr std::chrono::milliseconds kLongestStep{100};

  void set_policy(TurnPolicy policy);
  /// `part` of the Device's time, above 0 and up to 1; again, to change it or
  /// the priority.
  void set(Key key, double part, std::int32_t priority = 0);
  void remove(Key key);
  bool is_empty() const { return claims_.all().empty(); }

  /// `looks` has those that were set; of others nothing is known. `now` may
  /// jump: back counts as no time, ahead as little.
  TurnPlan step(TimePoint now, const Looks& looks);

  /// The GPU's time that was charged to the container so far; of two whose
  /// work is on the GPU at once each is charged a half. Who is alone is looked
  /// at seldom: then it is right in the mean only.
  Duration used(Key key) const;
  /// Time in which it wanted to launch and had no turn.
  Duration waited(Key key) const;
  /// How often it began one.
  std::uint64_t turns(Key key) const;
  /// Its pieces of work are so long that one of them is to be under way or
  /// held, where others want the Device.
  bool is_one_by_one(Key key) const;
  /// It keeps the GPU at work that does not end (WorkRecord), which no turns
  /// can take from it: others have theirs beside it, it is charged, and it owes
  /// nothing from then on.
  bool is_persistent(Key key) const;

 private:
  /// What becomes of a turn.
  enum class Course : std::uint8_t {
    kGoesOn,
    kDead,  ///< Its holder was let in and does not come.
    kIdle,  ///< Its holder has nothing to do, and nothing under way.
    kOver,  ///< Others are to have it when its holder's work is done.
  };
  /// One turn, until the last of its work is done or not waited for any more.
  struct Turn {
    Key holder = 0;
    Duration begun{};
    std::uint64_t began_launches = 0;
    /// Since when its holder is seen to launch in it.
    std::optional<Duration> let_in = std::nullopt;
    /// Since when it is over, and its work waited for.
    std::optional<Duration> closed = std::nullopt;
    /// It was when its holder had caught up with the GPU: others are before it
    /// then, however little it has had.
    bool is_given_away = false;
  };

  Duration pass(TimePoint now);
  std::optional<Key> holder() const;
  std::optional<Key> open() const;
  void see(const Looks& looks, Duration passed);
  std::optional<Key> end_turn();
  void begin_turn(std::optional<Key> last);

  Course course(const TurnClaim* next) const;
  const TurnClaim& claim_of_holder() const { return claims_.at(turn_->holder); }
  bool is_dead() const;
  bool is_idle(Duration grace) const;
  bool is_over(const TurnClaim* next) const;
  bool has_caught_up() const;
  bool is_drained() const;
  Duration turn_length() const;
  bool is_contended() const;

  std::optional<Duration> next_look();
  Duration look_at_holder();
  std::optional<Duration> look_at_nobody() const;

  TurnClaims claims_;
  std::optional<TimePoint> last_;
  /// Time as it went by in steps: what all other times here are on.
  Duration time_{};
  std::optional<Turn> turn_;
  bool is_quiet_ = false;  ///< Nobody took part at the last step.
  unsigned looks_ = 0;
};

}  // namespace gpunode::share
