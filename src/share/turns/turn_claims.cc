#include "share/turns/turn_claims.h"

#include <algorithm>
#include <tuple>

namespace gpunode::share {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr milliseconds kFirstPause{20};
constexpr std::chrono::seconds kLongestPause{1};
constexpr double kLeastPart = 1e-4;

}  // namespace

/// Who is owed more is before the other, then who has the higher priority, then
/// who has had less.
struct TurnClaims::Rank {
  Nanoseconds owed = 0;
  std::int64_t priority = 0;
  Nanoseconds ahead = 0;

  bool operator<(const Rank& other) const {
    return std::tie(other.owed, other.priority, ahead) <
           std::tie(owed, priority, other.ahead);
  }
};

void TurnClaims::set_policy(TurnPolicy policy) {
  if (policy == policy_) return;
  policy_ = policy;
  // What was saved and owed under another policy is nobody's concern.
  for (auto& [key, claim] : claims_) claim.credit = nanoseconds(kSaved);
}

void TurnClaims::set(Key key, double part, std::int32_t priority) {
  const auto [found, is_new] = claims_.try_emplace(key);
  TurnClaim& claim = found->second;
  // Not a number: as little as there is.
  part = part >= kLeastPart ? std::min(part, 1.0) : kLeastPart;
  if (is_new) {
    claim.key = key;
    claim.credit = nanoseconds(kSaved);
  } else {
    // What it owes is time, not time over what its part was.
    claim.ahead *= claim.part / part;
    claim.began_ahead *= claim.part / part;
  }
  claim.part = part;
  if (claim.priority == priority) return;
  // What it owed, it owed to those whose equal it was.
  claim.priority = priority;
  claim.ahead = 0;
  claim.began_ahead = 0;
}

const TurnClaim* TurnClaims::find(Key key) const {
  const auto found = claims_.find(key);
  return found == claims_.end() ? nullptr : &found->second;
}

void TurnClaims::see(const Looks& looks, Duration now, Duration passed,
                     std::optional<Key> open) {
  static const TurnLook kNothing;
  for (auto& [key, claim] : claims_) {
    const auto look = looks.find(key);
    see(&claim, look == looks.end() ? kNothing : look->second, now, passed,
        open == key);
  }
}

void TurnClaims::see(TurnClaim* claim, const TurnLook& look, Duration now,
                     Duration passed, bool is_open) const {
  const TurnLook before = claim->work.look();
  claim->worked = nanoseconds(claim->work.see(look, now, passed));
  if (is_open) claim->pace.see(look.launches, passed);
  const bool goes_on_waiting = look.wants && before.wants && !is_open;
  if (goes_on_waiting) {
    claim->waited += passed;
  } else {
    claim->asked = now;
  }
  // News of one that was passed over, and what it launches, show that it lives.
  if (look != before) claim->again = Duration{};
  if (look.launches != before.launches) claim->pause = Duration{};
  const bool has_asked = claim->wants;
  claim->wants = claim->work.asks() && now >= claim->again;
  claim->is_kept = claim->wants && has_asked;
  if (claim->work.asks() && !is_open) claim->wanted = now;
}

void TurnClaims::settle(Duration passed, std::optional<Key> holder) {
  charge(passed, holder);
  level(holder);
}

/// Of those who are on the GPU at once each has its share of it.
void TurnClaims::charge(Duration passed, std::optional<Key> holder) {
  const Nanoseconds time = nanoseconds(passed);
  Nanoseconds worked = 0;
  Nanoseconds debts = 0;
  for (const auto& [key, claim] : claims_) {
    worked += claim.worked;
    debts += claim.debt();
  }
  const double crowd = worked > time ? time / worked : 1;
  const bool is_wanted = next_but(holder) != nullptr;
  for (auto& [key, claim] : claims_) {
    const bool is_holder = holder == key;
    const Nanoseconds others_owe = debts - claim.debt();
    const Nanoseconds least = least_credit(claim, holder);
    const Nanoseconds pays = claim.worked * crowd;
    claim.used += pays;
    claim.work.add_time(pays);
    // What nobody else used of the time that a holder kept others waiting is
    // its own, whatever it says to have done in it.
    Nanoseconds owes = pays;
    if (is_holder && is_wanted) {
      owes = std::max(owes, time - (worked * crowd - pays));
    }
    claim.credit += time * claim.part;
    // Beside the turns of others, what does not end owes nothing.
    if (!claim.work.is_persistent() || is_holder) {
      claim.ahead = std::min(claim.ahead + owes / claim.part,
                             nanoseconds(kMostDebt) / claim.part);
      claim.credit = std::max(claim.credit - pays, least);
    }
    // Time that others took before it was theirs comes on top.
    claim.credit = std::clamp(
        claim.credit, -nanoseconds(kMostDebt),
        nanoseconds(most_saved(claim)) + (claim.is_kept ? others_owe : 0.0));
  }
}

/// What one who was idle may save of its part, and one who was kept waiting
/// does not lose.
Duration TurnClaims::most_saved(const TurnClaim& claim) const {
  if (policy_ == TurnPolicy::kBurst) {
    return of_nanoseconds(nanoseconds(kWindow) * claim.part);
  }
  return claim.is_kept ? Duration(kSavedWaiting) : kSaved;
}

/// What it takes now brings its credit no lower. Under kBurst what was lent is
/// not owed: to equals and those above it owes all of it, but to those below no
/// more than is missing of their parts.
Nanoseconds TurnClaims::least_credit(const TurnClaim& claim,
                                     std::optional<Key> holder) const {
  const Nanoseconds least = -nanoseconds(kMostDebt);
  if (policy_ != TurnPolicy::kBurst) return least;
  Nanoseconds missing = 0;
  for (const auto& [key, other] : claims_) {
    const bool is_taker = holder == key || (other.wants && may_begin(other));
    if (key == claim.key || !is_taker) continue;
    if (other.priority >= claim.priority) return least;
    missing += std::max(other.credit, 0.0);
  }
  return std::min(claim.credit, -missing);
}

/// Counts from the least that anyone has had of those who take part and have
/// the same priority. Who does not comes along, and so saves nothing up but
/// kLag: who has nothing to do for a moment is to find its place again. Nor
/// does who is kept from it by those of a higher one, nor are these charged for
/// it.
void TurnClaims::level(std::optional<Key> holder) {
  std::map<std::int32_t, Nanoseconds> least;  // By priority.
  std::optional<Nanoseconds> least_owed;
  const auto takes_part = [&](const TurnClaim& claim) {
    return holder == claim.key || claim.wants;
  };
  for (const auto& [key, claim] : claims_) {
    if (!takes_part(claim)) continue;
    least_owed = std::min(least_owed.value_or(owed(claim)), owed(claim));
    // Others who come are as if they had come when its turn began.
    const Nanoseconds had = holder == key ? claim.began_ahead : claim.ahead;
    const auto [found, is_new] = least.try_emplace(claim.priority, had);
    found->second = std::min(found->second, had);
  }
  // If all of them are owed something, nobody is first for that.
  if (policy_ == TurnPolicy::kBurst && least_owed) {
    for (auto& [key, claim] : claims_) {
      if (takes_part(claim)) claim.credit -= *least_owed * claim.part;
    }
  }
  for (auto& [key, claim] : claims_) {
    const auto by = least.find(claim.priority);
    if (by == least.end()) continue;
    claim.ahead = std::max(claim.ahead - by->second, -nanoseconds(kLag));
    claim.began_ahead -= by->second;
  }
}

void TurnClaims::forgive(Duration passed) {
  for (auto& [key, claim] : claims_) {
    const Nanoseconds owes = std::max(claim.ahead, 0.0);
    claim.ahead -= std::min(owes, nanoseconds(passed));
  }
}

void TurnClaims::begin_turn(Key key, Duration now) {
  TurnClaim& claim = claims_.at(key);
  ++claim.turns;
  claim.began_ahead = claim.ahead;
  claim.pace.begin(claim.work.look().launches, now - claim.asked);
}

void TurnClaims::renew_turn(Key key) {
  TurnClaim& claim = claims_.at(key);
  claim.began_ahead = claim.ahead;
}

void TurnClaims::pass_over(Key key, Duration now) {
  TurnClaim& claim = claims_.at(key);
  claim.pause =
      std::clamp<Duration>(2 * claim.pause, kFirstPause, kLongestPause);
  claim.again = now + claim.pause;
  claim.wants = false;
}

void TurnClaims::give_away(Key key) {
  TurnClaim& claim = claims_.at(key);
  const TurnClaim* const next = next_but(key);
  if (next == nullptr || next->priority != claim.priority) return;
  claim.ahead = std::max(claim.ahead, next->ahead - nanoseconds(kLag));
}

const TurnClaim* TurnClaims::next_but(std::optional<Key> holder) const {
  const TurnClaim* best = nullptr;
  for (const auto& [key, claim] : claims_) {
    if (holder == key || !claim.wants || !may_begin(claim)) continue;
    if (best == nullptr || is_before(claim, *best)) best = &claim;
  }
  return best;
}

bool TurnClaims::is_before(const TurnClaim& one, const TurnClaim& other) const {
  return rank(one) < rank(other);
}

/// Under kBurst a part is no matter of priority: who is not beyond its own has
/// its turn as among equals.
bool TurnClaims::is_outranked(const TurnClaim& holder) const {
  constexpr Nanoseconds kBeyond = -1000;
  if (policy_ == TurnPolicy::kBurst && holder.credit > kBeyond) return false;
  const std::int64_t mine = priority(holder);
  return std::any_of(claims_.begin(), claims_.end(), [&](const auto& one) {
    const TurnClaim& other = one.second;
    return other.wants && may_begin(other) && priority(other) > mine;
  });
}

double TurnClaims::parts_wanted(Key holder) const {
  double parts = claims_.at(holder).part;
  for (const auto& [key, claim] : claims_) {
    if (holder != key && claim.wants) parts += claim.part;
  }
  return parts;
}

std::optional<Duration> TurnClaims::next_chance(
    Duration now, std::optional<Key> holder) const {
  std::optional<Duration> wait;
  for (const auto& [key, claim] : claims_) {
    if (holder == key || !claim.work.asks()) continue;
    const Nanoseconds missing = nanoseconds(kSaved) - claim.credit;
    Duration one = claim.again - now;
    if (policy_ == TurnPolicy::kHard && missing > 0) {
      one = std::max<Duration>(
          one, of_nanoseconds(missing / claim.part) + microseconds(1));
    }
    if (one <= Duration{}) continue;
    wait = std::min(wait.value_or(one), one);
  }
  return wait;
}

bool TurnClaims::may_begin(const TurnClaim& claim) const {
  // Many small turns would cost more than they give.
  return policy_ != TurnPolicy::kHard || claim.credit >= nanoseconds(kSaved);
}

Nanoseconds TurnClaims::owed(const TurnClaim& claim) const {
  const bool is_owed = policy_ == TurnPolicy::kBurst && claim.credit > 0;
  return is_owed ? claim.credit / claim.part : 0;
}

/// Who keeps the GPU at what does not move keeps nobody of a lower one from it:
/// it comes after them.
std::int64_t TurnClaims::priority(const TurnClaim& claim) const {
  std::int64_t lowest = claim.priority;
  if (!claim.work.is_stalled()) return lowest;
  for (const auto& [key, other] : claims_) {
    lowest = std::min<std::int64_t>(lowest, other.priority);
  }
  return lowest == claim.priority ? lowest : lowest - 1;
}

TurnClaims::Rank TurnClaims::rank(const TurnClaim& claim) const {
  return {owed(claim), priority(claim), claim.ahead};
}

}  // namespace gpunode::share
