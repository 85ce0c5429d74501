#include "share/turns/turn_book.h"

#include <algorithm>
#include <utility>

namespace gpunode::share {
namespace {

using std::chrono::microseconds;

/// While the last fences are waited for.
constexpr microseconds kDrainLook{30};

double nanoseconds(Duration duration) {
  return std::chrono::duration<double, std::nano>(duration).count();
}

Duration of_nanoseconds(double count) {
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double, std::nano>(count));
}

const TurnLook& look_at(const TurnBook::Looks& looks, TurnBook::Key key) {
  static const TurnLook kNothing;
  const auto found = looks.find(key);
  return found == looks.end() ? kNothing : found->second;
}

void sooner(std::optional<TimePoint>& wake, TimePoint then) {
  wake = wake ? std::min(*wake, then) : then;
}

}  // namespace

void TurnBook::set(Key key, double part) {
  const auto [member, is_new] = members_.try_emplace(key);
  member->second.part = std::clamp(part, 1e-4, 1.0);
  if (!is_new) return;
  member->second.served = clock_;
  member->second.credit = nanoseconds(kLongest);
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

/// The holder pays for its turn, whoever works on after it for that, and all
/// are given their part of the time.
void TurnBook::charge(Nanoseconds passed, const Looks& looks) {
  for (auto& [key, member] : members_) {
    const TurnLook& look = look_at(looks, key);
    const bool has_worked = look.is_busy || look.has_tail || look.wants ||
                            look.launches != member.launches;
    member.launches = look.launches;
    member.credit = std::min(member.credit + passed * member.part,
                             nanoseconds(kLongest));
    const bool pays =
        has_worked && (holder_ == key || (member.is_trailing && look.is_busy));
    if (!pays) continue;
    member.used += passed;
    member.served += passed / member.part;
    member.credit -= passed;
  }
  for (auto& [key, member] : members_) {
    member.is_trailing = member.is_trailing && look_at(looks, key).is_busy;
  }
}

bool TurnBook::may_begin(const Member& member) const {
  // Many small turns would cost more than they give.
  return policy_ != TurnPolicy::kHard ||
         member.credit >= nanoseconds(kLongest) / 2;
}

Duration TurnBook::longest_turn(const Looks& looks) const {
  int takers = 0;
  for (const auto& [key, member] : members_) {
    if (holder_ == key || look_at(looks, key).wants) ++takers;
  }
  return std::clamp<Duration>(Duration(kRound) / std::max(takers, 1), kShortest,
                              kLongest);
}

Turn TurnBook::step(TimePoint now, const Looks& looks) {
  const Duration passed =
      last_ ? std::clamp<Duration>(now - *last_, Duration{}, kRound)
            : Duration{};
  last_ = now;
  charge(nanoseconds(passed), looks);
  if (holder_) end_turn(now, looks);
  if (!holder_) begin_turn(now, looks);

  Turn turn;
  if (!holder_) {
    turn.wake = next_credit(now, looks);
    return turn;
  }
  if (closed_) {
    turn.wake = now + kDrainLook;
    return turn;
  }
  const Member& member = members_.at(*holder_);
  turn.open = holder_;
  for (const auto& [key, other] : members_) {
    turn.is_contended = turn.is_contended ||
                        (key != *holder_ && look_at(looks, key).wants &&
                         may_begin(other));
  }
  if (turn.is_contended) {
    sooner(turn.wake, begun_ + longest_turn(looks));
    if (idle_) sooner(turn.wake, *idle_ + kIdle);
  } else {
    // Somebody who waits for credit may get it.
    turn.wake = next_credit(now, looks);
  }
  if (policy_ == TurnPolicy::kHard) {
    sooner(turn.wake,
           now + std::max<Duration>(of_nanoseconds(member.credit),
                                    microseconds(50)));
  }
  return turn;
}

/// Whether the holder goes on, is waited for, or is done.
void TurnBook::end_turn(TimePoint now, const Looks& looks) {
  const TurnLook& look = look_at(looks, *holder_);
  Member& member = members_.at(*holder_);
  const bool is_wanted =
      std::ranges::any_of(members_, [&](const auto& other) {
        return other.first != *holder_ && look_at(looks, other.first).wants &&
               may_begin(other.second);
      });
  if (!closed_) {
    const bool is_idle = !look.is_busy && !look.has_tail && !look.wants;
    if (!is_idle) {
      idle_.reset();
    } else if (!idle_) {
      idle_ = now;
    }
    const bool is_spent =
        policy_ == TurnPolicy::kHard && member.credit <= 0 && !is_idle;
    if (is_wanted && idle_ && now - *idle_ >= kIdle) {
      holder_.reset();
      return;
    }
    if (!is_spent && !(is_wanted && now - begun_ >= longest_turn(looks))) {
      return;
    }
    closed_ = now;
  }
  const bool is_drained =
      !look.is_busy && (!look.has_tail || now - *closed_ >= look.tail);
  if (!is_drained && now - *closed_ < kDrain) return;
  member.is_trailing = !is_drained;
  holder_.reset();
  closed_.reset();
}

void TurnBook::begin_turn(TimePoint now, const Looks& looks) {
  const auto rank = [&](const Member& member) {
    const bool has_less =
        policy_ == TurnPolicy::kBurst && member.credit > 0;
    return std::pair(has_less ? 0 : 1, std::max(member.served, clock_));
  };
  auto best = members_.end();
  for (auto one = members_.begin(); one != members_.end(); ++one) {
    if (!look_at(looks, one->first).wants || !may_begin(one->second)) continue;
    if (best == members_.end() || rank(one->second) < rank(best->second)) {
      best = one;
    }
  }
  if (best == members_.end()) return;
  Member& member = best->second;
  member.served = std::max(member.served, clock_);
  clock_ = member.served;
  holder_ = best->first;
  begun_ = now;
  closed_.reset();
  idle_.reset();
}

/// When the first of those who want a turn may have one.
std::optional<TimePoint> TurnBook::next_credit(TimePoint now,
                                               const Looks& looks) const {
  std::optional<TimePoint> wake;
  for (const auto& [key, member] : members_) {
    if (!look_at(looks, key).wants || may_begin(member)) continue;
    const double missing = nanoseconds(kLongest) / 2 - member.credit;
    sooner(wake, now + of_nanoseconds(missing / member.part) +
                     microseconds(1));
  }
  return wake;
}

}  // namespace gpunode::share
