#include "share/turns/turn_book.h"

#include <algorithm>

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

static_assert(TurnClaims::kSavedWaiting == TurnBook::kLongest);

TimePoint later(TimePoint now, Duration by) {
  return now > TimePoint::max() - by ? TimePoint::max() : now + by;
}

}  // namespace

void TurnBook::set_policy(TurnPolicy policy) {
  claims_.set_policy(policy);
}

void TurnBook::set(Key key, double part, std::int32_t priority) {
  claims_.set(key, part, priority);
}

void TurnBook::remove(Key key) {
  if (holder() == key) turn_.reset();
  claims_.remove(key);
}

Duration TurnBook::used(Key key) const {
  const TurnClaim* const claim = claims_.find(key);
  return claim == nullptr ? Duration{} : of_nanoseconds(claim->used);
}

Duration TurnBook::waited(Key key) const {
  const TurnClaim* const claim = claims_.find(key);
  return claim == nullptr ? Duration{} : claim->waited;
}

std::uint64_t TurnBook::turns(Key key) const {
  const TurnClaim* const claim = claims_.find(key);
  return claim == nullptr ? 0 : claim->turns;
}

bool TurnBook::is_one_by_one(Key key) const {
  const TurnClaim* const claim = claims_.find(key);
  return claim != nullptr && claim->work.has_long_pieces();
}

bool TurnBook::is_persistent(Key key) const {
  const TurnClaim* const claim = claims_.find(key);
  return claim != nullptr && claim->work.is_persistent();
}

TurnPlan TurnBook::step(TimePoint now, const Looks& looks) {
  const Duration passed = pass(now);
  if (is_quiet_) claims_.forgive(passed);
  see(looks, passed);
  claims_.settle(passed, holder());
  std::optional<Key> gave_away;
  if (turn_) gave_away = end_turn();
  if (!turn_) begin_turn(gave_away);

  TurnPlan plan;
  plan.open = open();
  plan.is_contended = is_contended();
  if (const std::optional<Duration> wait = next_look()) {
    // Time that goes by unseen does not count.
    plan.wake =
        later(now, std::clamp<Duration>(*wait, microseconds(1), kLongestStep));
  }
  is_quiet_ = !plan.wake;
  return plan;
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

std::optional<TurnBook::Key> TurnBook::holder() const {
  return turn_ ? std::optional(turn_->holder) : std::nullopt;
}

std::optional<TurnBook::Key> TurnBook::open() const {
  return turn_ && !turn_->closed ? holder() : std::nullopt;
}

void TurnBook::see(const Looks& looks, Duration passed) {
  claims_.see(looks, time_, passed, open());
  if (!open() || turn_->let_in) return;
  const std::uint64_t launches = claim_of_holder().work.look().launches;
  if (launches != turn_->began_launches) turn_->let_in = time_;
}

/// Ends the turn if it is over and nobody is waited for any more. Who gave it
/// away, if its holder did.
std::optional<TurnBook::Key> TurnBook::end_turn() {
  const Key key = turn_->holder;
  if (!turn_->closed) {
    const TurnClaim* const next = claims_.next_but(key);
    switch (course(next)) {
      case Course::kGoesOn:
        if (time_ - turn_->begun >= turn_length()) claims_.renew_turn(key);
        return std::nullopt;
      case Course::kDead:
        claims_.pass_over(key, time_);
        turn_.reset();
        return std::nullopt;
      case Course::kIdle:
        turn_.reset();
        return std::nullopt;
      case Course::kOver:
        turn_->closed = time_;
        turn_->is_given_away = has_caught_up();
        break;
    }
  }
  if (!is_drained()) return std::nullopt;
  const bool is_given_away = turn_->is_given_away;
  if (is_given_away) claims_.give_away(key);
  turn_.reset();
  return is_given_away ? std::optional(key) : std::nullopt;
}

/// `next` is the best of the others.
TurnBook::Course TurnBook::course(const TurnClaim* next) const {
  if (next != nullptr && is_dead()) return Course::kDead;
  const bool has_begun =
      claim_of_holder().work.look().launches != turn_->began_launches;
  const Duration grace = next == nullptr ? Duration(kLeft)
                         : has_begun     ? Duration(kIdle)
                                         : Duration(kWaking);
  if (is_idle(grace)) return Course::kIdle;
  return is_over(next) ? Course::kOver : Course::kGoesOn;
}

/// `last` gave it away: it has the turn if nobody else wants it any more.
void TurnBook::begin_turn(std::optional<Key> last) {
  const TurnClaim* best = claims_.next_but(last);
  if (best == nullptr) best = claims_.next_but(std::nullopt);
  if (best == nullptr) return;
  turn_ = Turn{.holder = best->key,
               .begun = time_,
               .began_launches = best->work.look().launches};
  claims_.begin_turn(best->key, time_);
}

/// Whether its holder was let in and does not come.
bool TurnBook::is_dead() const {
  const WorkRecord& work = claim_of_holder().work;
  return work.look().wants && !work.is_at_work() &&
         time_ - std::max(work.launched(), turn_->begun) >= kDead;
}

/// Whether its holder has had nothing to do for so long.
bool TurnBook::is_idle(Duration grace) const {
  const WorkRecord& work = claim_of_holder().work;
  const std::optional<Duration> done = work.done();
  return done && !work.look().wants &&
         time_ >= std::max(*done, turn_->begun) + grace;
}

bool TurnBook::is_over(const TurnClaim* next) const {
  const TurnClaim& holder = claim_of_holder();
  const TurnPolicy policy = claims_.policy();
  if (policy == TurnPolicy::kHard && holder.credit <= 0) return true;
  if (next == nullptr) return false;
  if (claims_.is_outranked(holder)) return true;
  // Those below it would keep it from what it launches next.
  if (has_caught_up() && next->priority >= holder.priority) return true;
  const Duration held = time_ - turn_->begun;
  if (held < kShortest) return false;
  if (holder.work.is_persistent()) return true;  // It needs no turn.
  // Who came when less time had been had for its part than at the beginning of
  // this turn need not wait for its end, and who is owed much more neither.
  const bool is_late =
      policy == TurnPolicy::kBurst
          ? claims_.owed(*next) > claims_.owed(holder) + nanoseconds(kRound)
          : next->ahead <= holder.began_ahead;
  return claims_.is_before(*next, holder) && (is_late || held >= turn_length());
}

/// Whether others may have the GPU at no loss of the holder's.
bool TurnBook::has_caught_up() const {
  const TurnClaim& holder = claim_of_holder();
  return holder.pace.goes_on() && holder.work.has_caught_up() &&
         turn_->let_in && time_ - *turn_->let_in >= kCatchUp;
}

/// Whether nobody waits for its work any more.
bool TurnBook::is_drained() const {
  const std::optional<Duration> done = claim_of_holder().work.done();
  return (done && time_ >= *done) || time_ - *turn_->closed >= kDrain;
}

Duration TurnBook::turn_length() const {
  const TurnClaim& holder = claim_of_holder();
  return std::clamp<Duration>(
      of_nanoseconds(nanoseconds(kRound) * holder.part /
                     claims_.parts_wanted(turn_->holder)),
      kShortest, kLongest);
}

bool TurnBook::is_contended() const {
  if (claims_.policy() == TurnPolicy::kHard) return true;
  const auto wanted_lately = [this](const auto& one) {
    const std::optional<Duration> wanted = one.second.wanted;
    return holder() != one.first && wanted && time_ - *wanted < kContended;
  };
  return std::any_of(claims_.all().begin(), claims_.all().end(), wanted_lately);
}

/// How long from now it is to be looked again; nothing: when there is news.
std::optional<Duration> TurnBook::next_look() {
  if (!turn_) return look_at_nobody();
  if (open()) return look_at_holder();
  return std::max<Duration>(kDrainLook, (time_ - *turn_->closed) / 16);
}

Duration TurnBook::look_at_holder() {
  const WorkRecord& work = claim_of_holder().work;
  const Duration busy = time_ - std::max(work.rested(), turn_->begun);
  if (claims_.next_but(turn_->holder) != nullptr) {
    if (work.done() && time_ > turn_->begun) return kIdle;
    return std::clamp<Duration>(busy / 32, kLook, kBusyLook);
  }
  if (work.look().wants) return kLook;  // It is about to begin.
  Duration wait = claims_.policy() == TurnPolicy::kHard
                      ? Duration(kBusyLook)
                      : std::clamp<Duration>(busy / 8, kAloneLook, kSteadyLook);
  // Not in step with what the program does.
  looks_ = (looks_ + 618) % 1000;
  wait = wait * (500 + looks_) / 1000;
  // Somebody who waits for its part may get it.
  return std::min(wait,
                  claims_.next_chance(time_, turn_->holder).value_or(wait));
}

std::optional<Duration> TurnBook::look_at_nobody() const {
  const std::optional<Duration> wait = claims_.next_chance(time_, std::nullopt);
  const auto is_busy = [](const auto& one) {
    return one.second.work.look().is_busy;
  };
  const bool is_at_work =
      std::any_of(claims_.all().begin(), claims_.all().end(), is_busy);
  if (!is_at_work) return wait;
  return std::min(wait.value_or(kSteadyLook), Duration(kSteadyLook));
}

}  // namespace gpunode::share
