// Who has a GPU next, and for how long: the decisions, without clocks, files
// and threads.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>

#include "base/core/clock.h"
#include "share/grants/grant.h"
#include "share/turns/launch_pace.h"
#include "share/turns/turn_look.h"
#include "share/turns/work_record.h"

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
  using Key = std::uint32_t;
  using Looks = std::map<Key, TurnLook>;

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
  /// Nobody pays back more than this.
  static constexpr std::chrono::seconds kMostDebt{10};
  /// Who has nothing to do for a while, or gives the GPU away, comes to be no
  /// further behind others than this, in time over its part.
  static constexpr std::chrono::milliseconds kLag{10};
  /// What one may save of its part while it is idle, under kHard; under kBurst
  /// it is its part of kWindow.
  static constexpr std::chrono::microseconds kSaved{1500};
  static constexpr std::chrono::milliseconds kWindow{100};
  /// Time from one step to the next counts as no more than this, or than
  /// kMostDebt if nobody had anything to do.
  static constexpr std::chrono::milliseconds kLongestStep{100};

  void set_policy(TurnPolicy policy);
  /// `part` of the Device's time, above 0 and up to 1; again, to change it or
  /// the priority.
  void set(Key key, double part, std::int32_t priority = 0);
  void remove(Key key);
  bool is_empty() const { return members_.empty(); }

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
  using Nanoseconds = double;
  struct Member {
    double part = 1;
    std::int32_t priority = 0;
    /// Time used, over the part, beyond what the one of the same priority who
    /// has had the least had. Never below -kLag.
    Nanoseconds ahead = 0;
    /// Of its part of the time that went by, not used yet; below 0: used
    /// before its time.
    Nanoseconds credit = 0;
    Nanoseconds used = 0;
    Nanoseconds worked = 0;  ///< In this step, were it alone.
    Duration waited{};
    std::uint64_t turns = 0;
    WorkRecord work;
    LaunchPace pace;
    std::optional<Duration>
        let_in;         ///< Since when it has launched in its turn.
    Duration asked{};   ///< Since when it wants one, and has none.
    Duration wanted{};  ///< When it last wanted a turn.
    bool has_wanted = false;
    bool wants = false;    ///< It asks for a turn, and is not passed over.
    bool is_kept = false;  ///< It does so since the last look, at least.
    Duration again{};      ///< Passed over until then.
    Duration pause{};      ///< How long that was.
  };
  struct Rank;

  Duration pass(TimePoint now);
  void forgive(Duration passed);
  void see(Key key, Member& member, const TurnLook& look, Duration passed);
  void charge(Duration passed);
  void level();
  void end_turn();
  void give_away(Member* holder);
  void begin_turn();

  Duration most_saved(const Member& member) const;
  static Nanoseconds debt(const Member& member);
  bool may_begin(const Member& member) const;
  bool is_dead(const Member& holder) const;
  bool is_idle(const Member& holder, Duration grace) const;
  bool is_over(const Member& holder, const Member* next) const;
  bool has_caught_up(const Member& holder) const;
  bool is_outranked(const Member& holder) const;
  std::int64_t priority(const Member& member) const;
  bool is_drained(const Member& holder) const;
  Rank rank(const Member& member) const;
  /// The best of those who want a turn and may have one.
  const Member* next_but(std::optional<Key> holder) const;
  Nanoseconds least_credit(Key key, const Member& member) const;
  Duration turn_length(const Member& holder) const;
  bool is_contended() const;
  Duration look_again(const Member& holder);
  std::optional<Duration> next_chance() const;

  TurnPolicy policy_ = TurnPolicy::kFair;
  std::map<Key, Member> members_;
  std::optional<TimePoint> last_;
  /// Time as it went by in steps: what all other times here are on.
  Duration time_{};
  std::optional<Key> holder_;
  Duration begun_{};
  Nanoseconds began_ahead_ = 0;       ///< The holder's, then.
  std::uint64_t began_launches_ = 0;  ///< Likewise.
  std::optional<Duration> closed_;    ///< Since when its work is waited for.
  std::optional<Key> caught_up_;      ///< Gave the GPU away, and is not next.
  bool is_quiet_ = false;             ///< Nobody took part at the last step.
  unsigned looks_ = 0;
};

}  // namespace gpunode::share
