#include "apps/gpunode/top/lately.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>

namespace gpunode::top {
namespace {

std::uint64_t thousandths(double part, double whole) {
  constexpr double kWhole = 1000;
  return static_cast<std::uint64_t>(
      std::lround(std::clamp(part / whole, 0.0, 1.0) * kWhole));
}

}  // namespace

void Lately::note(TimePoint now, Snapshot& snapshot) {
  std::map<std::pair<std::string, std::string>, Before> seen;
  for (HolderRow& row : snapshot.holders) {
    if (!row.turns || !row.turns->is_counted) continue;
    TurnsOfHolder& turns = *row.turns;
    const std::pair key(row.allocation, row.device);
    const auto before = before_.find(key);
    if (before != before_.end() && before->second.at == now) {
      turns.lately = before->second.lately;
      turns.throttled_lately = before->second.throttled_lately;
    } else if (before != before_.end()) {
      const double passed =
          std::chrono::duration<double>(now - before->second.at).count();
      const double used = turns.gpu_seconds - before->second.gpu_seconds;
      const double waited =
          turns.throttled_seconds - before->second.throttled_seconds;
      if (passed > 0 && used >= 0 && waited >= 0) {
        turns.lately = thousandths(used, passed);
        turns.throttled_lately = thousandths(waited, passed);
      }
    }
    seen[key] = {now, turns.gpu_seconds, turns.throttled_seconds, turns.lately,
                 turns.throttled_lately};
  }
  before_ = std::move(seen);
}

}  // namespace gpunode::top
