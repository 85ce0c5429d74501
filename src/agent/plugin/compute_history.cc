#include "agent/plugin/compute_history.h"

#include <algorithm>
#include <cmath>

namespace gpunode::plugin {
namespace {

double ratio(Duration part, Duration whole) {
  // What is charged at the end of a long kernel may be of the window before.
  return whole <= Duration::zero()
             ? 0
             : std::min(1.0, static_cast<double>(part.count()) /
                                 static_cast<double>(whole.count()));
}

std::uint32_t thousandths(double part) {
  constexpr double kWhole = 1000;
  return static_cast<std::uint32_t>(std::lround(part * kWhole));
}

}  // namespace

void ComputeHistory::note(TimePoint now, const std::vector<ShareUse>& uses) {
  next_ = now + kWindow;
  std::map<std::pair<std::string, std::string>, Seen> seen;
  for (const ShareUse& share : uses) {
    for (const auto& [device, turns] : share.turns) {
      const std::pair key(share.allocation_id, device);
      const auto before = seen_.find(key);
      if (before == seen_.end() || before->second.file != share.look.file) {
        seen.emplace(key, Seen{now, now, share.look.file, turns.used, {}, 0});
        continue;
      }
      Seen one = before->second;
      // A referee that begins anew counts from 0.
      const Duration used =
          turns.used < one.counted ? turns.used : turns.used - one.counted;
      one.peak = std::max(one.peak, ratio(used, now - one.last));
      one.used += used;
      one.counted = turns.used;
      one.last = now;
      seen.emplace(key, one);
    }
  }
  seen_ = std::move(seen);
}

ComputeLives ComputeHistory::lives() const {
  ComputeLives lives;
  for (const auto& [key, one] : seen_) {
    const Duration seen = one.last - one.since;
    if (seen <= Duration::zero()) continue;
    lives.emplace(key, ComputeLife{seen, thousandths(ratio(one.used, seen)),
                                   thousandths(one.peak)});
  }
  return lives;
}

}  // namespace gpunode::plugin
