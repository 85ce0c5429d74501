#include "share/turns/turn_book.h"

#include <algorithm>
#include <tuple>

namespace gpunode::share {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

/// While the last fences are waited for, at first; then less often.
constexpr microseconds kDrainLook{30};
/// At a holder that others wait for and that was busy for long, and at one that
/// may not have more than its part.
constexpr microseconds kBusyLook{250};
/// At a holder that nobody waits for, and at one that was busy for long.
constexpr milliseconds kAloneLook{1};
constexpr milliseconds kSteadyLook{10};
constexpr milliseconds kFirstPause{20};
constexpr std::chrono::seconds kLongestPause{1};
constexpr double kLeastPart = 1e-4;

double nanoseconds(Duration duration) {
  return std::chrono::duration<double, std::nano>(duration).count();
}

Duration of_nanoseconds(double count) {
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double, std::nano>(count));
}

TimePoint later(TimePoint now, Duration by) {
  return now > TimePoint::max() - by ? TimePoint::max() : now + by;
}

}  // namespace

/// Who is owed more is before the other, then who has the higher priority, then
/// who has had less.
struct TurnBook::Rank {
  Nanoseconds owed = 0;
  std::int64_t priority = 0;
  Nanoseconds ahead = 0;

  bool operator<(const Rank& other) const {
    return std::tie(other.owed, other.priority, ahead) <
           std::tie(owed, priority, other.ahead);
  }
};

void TurnBook::set_policy(TurnPolicy policy) {
  if (policy == policy_) return;
  policy_ = policy;
  // What was saved and owed under another policy is nobody's concern.
  for (auto& [key, member] : members_) member.credit = nanoseconds(kSaved);
}

void TurnBook::set(Key key, double part, std::int32_t priority) {
  const auto [found, is_new] = members_.try_emplace(key);
  Member& member = found->second;
  // Not a number: as little as there is.
  part = part >= kLeastPart ? std::min(part, 1.0) : kLeastPart;
  if (is_new) {
    member.credit = nanoseconds(kSaved);
  } else {
    // What it owes is time, not time over what its part was.
    member.ahead *= member.part / part;
    if (holder_ == key) began_ahead_ *= member.part / part;
  }
  member.part = part;
  if (member.priority == priority) return;
  // What it owed, it owed to those whose equal it was.
  member.priority = priority;
  member.ahead = 0;
  if (holder_ == key) began_ahead_ = 0;
}

void TurnBook::remove(Key key) {
  members_.erase(key);
  if (holder_ != key) return;
  holder_.reset();
  closed_.reset();
}

Duration TurnBook::used(Key key) const {
  const auto member = members_.find(key);
  return member == members_.end() ? Duration{}
                                  : of_nanoseconds(member->second.used);
}

Duration TurnBook::waited(Key key) const {
  const auto member = members_.find(key);
  return member == members_.end() ? Duration{} : member->second.waited;
}

std::uint64_t TurnBook::turns(Key key) const {
  const auto member = members_.find(key);
  return member == members_.end() ? 0 : member->second.turns;
}

bool TurnBook::is_one_by_one(Key key) const {
  const auto member = members_.find(key);
  return member != members_.end() && member->second.work.has_long_pieces();
}

bool TurnBook::is_persistent(Key key) const {
  const auto member = members_.find(key);
  return member != members_.end() && member->second.work.is_persistent();
}

TurnPlan TurnBook::step(TimePoint now, const Looks& looks) {
  static const TurnLook kNothing;
  const Duration passed = pass(now);
  if (is_quiet_) forgive(passed);
  for (auto& [key, member] : members_) {
    const auto look = looks.find(key);
    see(key, member, look == looks.end() ? kNothing : look->second, passed);
  }
  charge(passed);
  level();
  if (holder_) end_turn();
  if (!holder_) begin_turn();

  TurnPlan turn;
  turn.is_contended = is_contended();
  std::optional<Duration> wait;
  if (!holder_) {
    wait = next_chance();
    const auto is_busy = [](const auto& one) {
      return one.second.work.look().is_busy;
    };
    if (std::any_of(members_.begin(), members_.end(), is_busy)) {
      wait = std::min(wait.value_or(kSteadyLook), Duration(kSteadyLook));
    }
  } else if (closed_) {
    wait = std::max<Duration>(kDrainLook, (time_ - *closed_) / 16);
  } else {
    turn.open = holder_;
    wait = look_again(members_.at(*holder_));
  }
  if (wait) {
    // Time that goes by unseen does not count.
    turn.wake =
        later(now, std::clamp<Duration>(*wait, microseconds(1), kLongestStep));
  }
  is_quiet_ = !turn.wake;
  return turn;
}

/// Time that nobody had any use for pays debts.
void TurnBook::forgive(Duration passed) {
  for (auto& [key, member] : members_) {
    const Nanoseconds owed = std::max(member.ahead, 0.0);
    member.ahead -= std::min(owed, nanoseconds(passed));
  }
}

/// How long it is since the last step.
Duration TurnBook::pass(TimePoint now) {
  Duration passed{};
  if (last_ && now > *last_) {
    // A jump may be longer than a Duration can say.
    const auto gap =
        static_cast<std::uint64_t>(now.time_since_epoch().count()) -
        static_cast<std::uint64_t>(last_->time_since_epoch().count());
    const Duration most = is_quiet_ ? Duration(kMostDebt) : kLongestStep;
    passed = Duration(static_cast<Duration::rep>(
        std::min(gap, static_cast<std::uint64_t>(most.count()))));
  }
  last_ = now;
  time_ += passed;
  return passed;
}

void TurnBook::see(Key key, Member& member, const TurnLook& look,
                   Duration passed) {
  const TurnLook before = member.work.look();
  member.worked = nanoseconds(member.work.see(look, time_, passed));
  const bool is_open = holder_ == key && !closed_;
  if (look.wants && before.wants && !is_open) member.waited += passed;
  if (look != before) member.again = Duration{};
  if (look.launches != before.launches) member.pause = Duration{};
  const bool has_asked = member.wants;
  member.wants = member.work.asks() && time_ >= member.again;
  member.is_kept = member.wants && has_asked;
  if (is_open) {
    member.pace.see(look.launches, passed);
    const bool has_begun = look.launches != began_launches_;
    if (has_begun && !member.let_in) member.let_in = time_;
  }
  if (!look.wants || !before.wants || is_open) member.asked = time_;
  if (member.work.asks() && !is_open) {
    member.wanted = time_;
    member.has_wanted = true;
  }
}

/// All are given their part of the time, and pay for what they had. Of those
/// who are on the GPU at once each has its share of it.
void TurnBook::charge(Duration passed) {
  const Nanoseconds time = nanoseconds(passed);
  Nanoseconds worked = 0;
  for (const auto& [key, member] : members_) worked += member.worked;
  const double crowd = worked > time ? time / worked : 1;
  const bool is_wanted = next_but(holder_) != nullptr;
  Nanoseconds debts = 0;
  for (const auto& [key, member] : members_) debts += debt(member);
  for (auto& [key, member] : members_) {
    const Nanoseconds others_owe = debts - debt(member);
    const Nanoseconds least = least_credit(key, member);
    const Nanoseconds pays = member.worked * crowd;
    member.used += pays;
    member.work.add_time(pays);
    // What nobody else used of the time that a holder kept others waiting is
    // its own, whatever it says to have done in it.
    Nanoseconds owes = pays;
    if (holder_ == key && is_wanted) {
      owes = std::max(owes, time - (worked * crowd - pays));
    }
    member.credit += time * member.part;
    // Beside the turns of others, what does not end owes nothing.
    if (!member.work.is_persistent() || holder_ == key) {
      member.ahead = std::min(member.ahead + owes / member.part,
                              nanoseconds(kMostDebt) / member.part);
      member.credit = std::max(member.credit - pays, least);
    }
    member.credit = std::clamp(
        member.credit, -nanoseconds(kMostDebt),
        nanoseconds(most_saved(member)) + (member.is_kept ? others_owe : 0.0));
  }
}

/// What one who was idle may save of its part, and one who was kept waiting
/// does not lose. Time that others took before it was theirs comes on top.
Duration TurnBook::most_saved(const Member& member) const {
  if (policy_ == TurnPolicy::kBurst) {
    return of_nanoseconds(nanoseconds(kWindow) * member.part);
  }
  return member.is_kept ? Duration(kLongest) : kSaved;
}

/// Counts from the least that anyone has had of those who take part and have
/// the same priority. Who does not comes along, and so saves nothing up but
/// kLag: who has nothing to do for a moment is to find its place again. Nor
/// does who is kept from it by those of a higher one, nor are these charged for
/// it.
void TurnBook::level() {
  std::map<std::int32_t, Nanoseconds> least;  // By priority.
  std::optional<Nanoseconds> owed;
  const auto takes_part = [&](Key key, const Member& member) {
    return holder_ == key || member.wants;
  };
  for (const auto& [key, member] : members_) {
    if (!takes_part(key, member)) continue;
    const Rank one = rank(member);
    owed = std::min(owed.value_or(one.owed), one.owed);
    // Others who come are as if they had come when its turn began.
    const Nanoseconds had = holder_ == key ? began_ahead_ : one.ahead;
    const auto [found, is_new] = least.try_emplace(member.priority, had);
    found->second = std::min(found->second, had);
  }
  // If all of them are owed something, nobody is first for that.
  if (policy_ == TurnPolicy::kBurst && owed) {
    for (auto& [key, member] : members_) {
      if (takes_part(key, member)) member.credit -= *owed * member.part;
    }
  }
  for (auto& [key, member] : members_) {
    const auto by = least.find(member.priority);
    if (by == least.end()) continue;
    member.ahead = std::max(member.ahead - by->second, -nanoseconds(kLag));
    if (holder_ == key) began_ahead_ -= by->second;
  }
}

/// Whether the holder goes on, is waited for, or is done.
void TurnBook::end_turn() {
  Member& holder = members_.at(*holder_);
  if (!closed_) {
    const Member* const next = next_but(holder_);
    if (next != nullptr && is_dead(holder)) {
      holder.pause =
          std::clamp<Duration>(2 * holder.pause, kFirstPause, kLongestPause);
      holder.again = time_ + holder.pause;
      holder.wants = false;
      holder_.reset();
      return;
    }
    const bool has_begun = holder.work.look().launches != began_launches_;
    const Duration idle = has_begun ? Duration(kIdle) : Duration(kWaking);
    if (is_idle(holder, next != nullptr ? idle : kLeft)) {
      holder_.reset();
      return;
    }
    if (!is_over(holder, next)) {
      // Who goes on begins anew.
      if (time_ - begun_ >= turn_length(holder)) began_ahead_ = holder.ahead;
      return;
    }
    closed_ = time_;
    if (has_caught_up(holder)) caught_up_ = holder_;
  }
  if (!is_drained(holder)) return;
  if (caught_up_) give_away(&holder);
  holder_.reset();
  closed_.reset();
}

/// What it has not used of its part is the others', but for kLag.
void TurnBook::give_away(Member* holder) {
  const Member* const next = next_but(holder_);
  if (next == nullptr || next->priority != holder->priority) return;
  holder->ahead = std::max(holder->ahead, next->ahead - nanoseconds(kLag));
}

void TurnBook::begin_turn() {
  auto best = members_.end();
  for (auto one = members_.begin(); one != members_.end(); ++one) {
    if (!one->second.wants || !may_begin(one->second)) continue;
    if (one->first == caught_up_) continue;
    if (best == members_.end() || rank(one->second) < rank(best->second)) {
      best = one;
    }
  }
  if (best == members_.end() && caught_up_) {
    // Nobody else wants it any more.
    best = members_.find(*caught_up_);
    const bool may_go_on =
        best != members_.end() && best->second.wants && may_begin(best->second);
    if (!may_go_on) best = members_.end();
  }
  caught_up_.reset();
  if (best == members_.end()) return;
  Member& member = best->second;
  ++member.turns;
  holder_ = best->first;
  begun_ = time_;
  began_ahead_ = member.ahead;
  began_launches_ = member.work.look().launches;
  member.let_in.reset();
  member.pace.begin(began_launches_, time_ - member.asked);
  closed_.reset();
}

TurnBook::Nanoseconds TurnBook::debt(const Member& member) {
  return std::max(-member.credit, 0.0);
}

bool TurnBook::may_begin(const Member& member) const {
  // Many small turns would cost more than they give.
  return policy_ != TurnPolicy::kHard || member.credit >= nanoseconds(kSaved);
}

/// Whether it was let in and does not come.
bool TurnBook::is_dead(const Member& holder) const {
  return holder.work.look().wants && !holder.work.is_at_work() &&
         time_ - std::max(holder.work.launched(), begun_) >= kDead;
}

/// Whether it has had nothing to do for so long.
bool TurnBook::is_idle(const Member& holder, Duration grace) const {
  const std::optional<Duration> done = holder.work.done();
  return done && !holder.work.look().wants &&
         time_ >= std::max(*done, begun_) + grace;
}

bool TurnBook::is_over(const Member& holder, const Member* next) const {
  if (policy_ == TurnPolicy::kHard && holder.credit <= 0) return true;
  if (next == nullptr) return false;
  if (is_outranked(holder)) return true;
  const Duration held = time_ - begun_;
  // Those below it would keep it from what it launches next.
  if (has_caught_up(holder) && next->priority >= holder.priority) return true;
  if (held < kShortest) return false;
  if (holder.work.is_persistent()) return true;  // It needs no turn.
  const Rank mine = rank(holder);
  const Rank other = rank(*next);
  // Who came when less time had been had for its part than at the beginning of
  // this turn need not wait for its end, and who is owed much more neither.
  const bool is_late = policy_ == TurnPolicy::kBurst
                           ? other.owed > mine.owed + nanoseconds(kRound)
                           : next->ahead <= began_ahead_;
  return other < mine && (is_late || held >= turn_length(holder));
}

/// Whether others may have the GPU at no loss of the holder's.
bool TurnBook::has_caught_up(const Member& holder) const {
  return holder.pace.goes_on() && holder.work.has_caught_up() &&
         holder.let_in && time_ - *holder.let_in >= kCatchUp;
}

/// Whether one of a higher priority wants its turn. Under kBurst a part is no
/// matter of priority: who is not beyond its own has its turn as among equals.
bool TurnBook::is_outranked(const Member& holder) const {
  constexpr Nanoseconds kBeyond = -1000;
  if (policy_ == TurnPolicy::kBurst && holder.credit > kBeyond) return false;
  const std::int64_t mine = priority(holder);
  return std::any_of(members_.begin(), members_.end(), [&](const auto& one) {
    const Member& other = one.second;
    return other.wants && may_begin(other) && priority(other) > mine;
  });
}

/// Who keeps the GPU at what does not move keeps nobody of a lower one from it:
/// it comes after them.
std::int64_t TurnBook::priority(const Member& member) const {
  std::int64_t lowest = member.priority;
  if (!member.work.is_stalled()) return lowest;
  for (const auto& [key, other] : members_) {
    lowest = std::min<std::int64_t>(lowest, other.priority);
  }
  return lowest == member.priority ? lowest : lowest - 1;
}

bool TurnBook::is_drained(const Member& holder) const {
  const std::optional<Duration> done = holder.work.done();
  return (done && time_ >= *done) || time_ - *closed_ >= kDrain;
}

TurnBook::Rank TurnBook::rank(const Member& member) const {
  // By how long it had to wait for what is left of its part.
  const bool is_owed = policy_ == TurnPolicy::kBurst && member.credit > 0;
  return {is_owed ? member.credit / member.part : 0, priority(member),
          member.ahead};
}

const TurnBook::Member* TurnBook::next_but(std::optional<Key> holder) const {
  const Member* best = nullptr;
  for (const auto& [key, member] : members_) {
    if (holder == key || !member.wants || !may_begin(member)) continue;
    if (best == nullptr || rank(member) < rank(*best)) best = &member;
  }
  return best;
}

/// What it takes now brings its credit no lower. Under kBurst what was lent is
/// not owed: to equals and those above it owes all of it, but to those below no
/// more than is missing of their parts.
TurnBook::Nanoseconds TurnBook::least_credit(Key key,
                                             const Member& member) const {
  const Nanoseconds least = -nanoseconds(kMostDebt);
  if (policy_ != TurnPolicy::kBurst) return least;
  Nanoseconds owed = 0;
  for (const auto& [other_key, other] : members_) {
    const bool is_taker =
        holder_ == other_key || (other.wants && may_begin(other));
    if (other_key == key || !is_taker) continue;
    if (other.priority >= member.priority) return least;
    owed += std::max(other.credit, 0.0);
  }
  return std::min(member.credit, -owed);
}

Duration TurnBook::turn_length(const Member& holder) const {
  double parts = holder.part;
  for (const auto& [key, member] : members_) {
    if (holder_ != key && member.wants) parts += member.part;
  }
  return std::clamp<Duration>(
      of_nanoseconds(nanoseconds(kRound) * holder.part / parts), kShortest,
      kLongest);
}

bool TurnBook::is_contended() const {
  return policy_ == TurnPolicy::kHard ||
         std::any_of(members_.begin(), members_.end(), [&](const auto& one) {
           return holder_ != one.first && one.second.has_wanted &&
                  time_ - one.second.wanted < kContended;
         });
}

/// How long from now the holder is to be looked at again.
Duration TurnBook::look_again(const Member& holder) {
  const Duration busy = time_ - std::max(holder.work.rested(), begun_);
  if (next_but(holder_) != nullptr) {
    if (holder.work.done() && time_ > begun_) return kIdle;
    return std::clamp<Duration>(busy / 32, kLook, kBusyLook);
  }
  if (holder.work.look().wants) return kLook;  // It is about to begin.
  Duration wait = policy_ == TurnPolicy::kHard
                      ? Duration(kBusyLook)
                      : std::clamp<Duration>(busy / 8, kAloneLook, kSteadyLook);
  // Not in step with what the program does.
  looks_ = (looks_ + 618) % 1000;
  wait = wait * (500 + looks_) / 1000;
  // Somebody who waits for its part may get it.
  return std::min(wait, next_chance().value_or(wait));
}

/// How long until the first of those who wait for more than the holder may
/// have a turn.
std::optional<Duration> TurnBook::next_chance() const {
  std::optional<Duration> wait;
  for (const auto& [key, member] : members_) {
    if (holder_ == key || !member.work.asks()) continue;
    const Nanoseconds missing = nanoseconds(kSaved) - member.credit;
    Duration one = member.again - time_;
    if (policy_ == TurnPolicy::kHard && missing > 0) {
      one = std::max<Duration>(
          one, of_nanoseconds(missing / member.part) + microseconds(1));
    }
    if (one <= Duration{}) continue;
    wait = std::min(wait.value_or(one), one);
  }
  return wait;
}

}  // namespace gpunode::share
