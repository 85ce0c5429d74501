#include "agent/plugin/compute_history.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/core/log.h"

namespace gpunode::plugin {
namespace {

constexpr double kWhole = 1000;

double ratio(Duration part, Duration whole) {
  // What is charged at the end of a long kernel may be of the window before.
  return whole <= Duration::zero()
             ? 0
             : std::min(1.0, static_cast<double>(part.count()) /
                                 static_cast<double>(whole.count()));
}

std::uint32_t thousandths(double part) {
  return static_cast<std::uint32_t>(std::lround(part * kWhole));
}

bool is_less(const share::TurnUse& a, const share::TurnUse& b) {
  return a.used < b.used || a.waited < b.waited || a.turns < b.turns;
}

bool takes_turns(const share::GrantLook& look) {
  return std::ranges::any_of(
      look.devices, [](const auto& held) { return held.time.thousandths > 0; });
}

}  // namespace

void ComputeHistory::complete(std::vector<ShareUse>* uses) {
  std::map<std::string, OfGrant> grants;
  for (ShareUse& share : *uses) {
    if (share.look.file == 0) {
      // It could not be looked at: whose counts these are is not known.
      share.turns.clear();
      continue;
    }
    const auto known = grants_.find(share.allocation_id);
    const bool is_same =
        known != grants_.end() && known->second.file == share.look.file;
    OfGrant grant = is_same ? std::move(known->second) : begin(share);
    for (auto& [device, turns] : share.turns) {
      OfDevice& one = grant.devices[device];
      if (is_less(turns, one.counted)) {
        one.before.used += one.counted.used;
        one.before.waited += one.counted.waited;
        one.before.turns += one.counted.turns;
      }
      one.counted = turns;
      turns.used += one.before.used;
      turns.waited += one.before.waited;
      turns.turns += one.before.turns;
    }
    grants.emplace(share.allocation_id, std::move(grant));
  }
  for (auto& [id, grant] : grants_) {
    if (!grants.contains(id) && is_there(id, grant)) {
      grants.emplace(id, std::move(grant));
    }
  }
  grants_ = std::move(grants);
}

/// Whether it is, or may be. One that is forgotten and found again would be
/// given what it had twice: from its file, and by the referee's counts.
bool ComputeHistory::is_there(const std::string& id,
                              const OfGrant& grant) const {
  const auto file = files_.file_of(id);
  return file ? *file == grant.file
              : file.error().code() != ErrorCode::kNotFound;
}

ComputeHistory::OfGrant ComputeHistory::begin(const ShareUse& share) const {
  OfGrant grant;
  grant.file = share.look.file;
  auto kept =
      share::read_turn_lives(files_, share.allocation_id, share.look.file);
  if (!kept && kept.error().code() != ErrorCode::kNotFound) {
    log::warning("shares",
                 "what the container of allocation {} has had of GPUs' time is "
                 "not known, and counted from now on: {}",
                 share.allocation_id, kept.error().message());
  } else if (!kept && takes_turns(share.look)) {
    log::info("shares",
              "what the container of allocation {} has of GPUs' time is "
              "counted from now on",
              share.allocation_id);
  }
  if (!kept) return grant;
  for (const auto& [device, life] : *kept) {
    OfDevice& one = grant.devices[device];
    one.before = life;
    one.seen = life.seen;
    one.used_seen = life.used_seen;
    one.peak = life.peak / kWhole;
  }
  grant.kept = *std::move(kept);
  return grant;
}

void ComputeHistory::note(TimePoint now, const std::vector<ShareUse>& uses) {
  next_ = now + kWindow;
  for (auto& [id, grant] : grants_) {
    const auto share = std::ranges::find(uses, id, &ShareUse::allocation_id);
    for (auto& [device, one] : grant.devices) {
      const bool was_watched = std::exchange(one.is_watched, false);
      if (share == uses.end()) continue;
      const auto turns = share->turns.find(device);
      if (turns == share->turns.end()) continue;
      one.is_watched = true;
      if (was_watched) {
        const Duration used = turns->second.used - one.used;
        one.peak = std::max(one.peak, ratio(used, now - one.last));
        one.used_seen += used;
        one.seen += now - one.last;
      }
      one.used = turns->second.used;
      one.last = now;
    }
  }
}

share::TurnLives ComputeHistory::lives_of(const OfGrant& grant) {
  share::TurnLives lives;
  for (const auto& [device, one] : grant.devices) {
    lives.emplace(
        device, share::TurnLife{one.before.used + one.counted.used,
                                one.before.waited + one.counted.waited,
                                one.before.turns + one.counted.turns, one.seen,
                                one.used_seen, thousandths(one.peak)});
  }
  return lives;
}

void ComputeHistory::save() {
  std::string problem;
  for (auto& [id, grant] : grants_) {
    share::TurnLives lives = lives_of(grant);
    if (lives == grant.kept) continue;
    const auto kept = share::keep_turn_lives(files_, id, grant.file, lives);
    if (kept) {
      grant.kept = std::move(lives);
    } else if (kept.error().code() != ErrorCode::kNotFound) {
      // Else its Pod has ended meanwhile.
      problem = kept.error().message();
    }
  }
  if (!problem.empty() && problem != told_) {
    log::warning("shares",
                 "what containers have had of GPUs' time is not kept for the "
                 "next agent: {}",
                 problem);
  }
  told_ = std::move(problem);
}

ComputeLives ComputeHistory::lives() const {
  ComputeLives lives;
  for (const auto& [id, grant] : grants_) {
    for (const auto& [device, one] : grant.devices) {
      if (one.seen <= Duration::zero()) continue;
      lives.emplace(
          std::pair(id, device),
          ComputeLife{one.seen, thousandths(ratio(one.used_seen, one.seen)),
                      thousandths(one.peak)});
    }
  }
  return lives;
}

}  // namespace gpunode::plugin
