#include "share/turns/launch_pace.h"

#include <algorithm>

#include "share/turns/nanoseconds.h"

namespace gpunode::share {

void LaunchPace::begin(std::uint64_t launches, Duration waited) {
  is_let_in_ = false;
  launches_ = launches;
  waited_ = waited;
  open_launches_ /= 2;
  open_nanoseconds_ /= 2;
}

void LaunchPace::see(std::uint64_t launches, Duration passed) {
  // Numbers of the container's: they may go back.
  const std::uint64_t more = launches > launches_ ? launches - launches_ : 0;
  launches_ = launches;
  if (!is_let_in_) {
    if (more == 0) return;
    is_let_in_ = true;
    judge(more);
    return;
  }
  open_launches_ += static_cast<double>(more);
  open_nanoseconds_ += nanoseconds(passed);
}

void LaunchPace::judge(std::uint64_t held) {
  constexpr double kKnown = 100'000;
  if (open_nanoseconds_ < kKnown) return;
  const double waited = nanoseconds(std::min<Duration>(waited_, kJudged));
  const double meant = open_launches_ / open_nanoseconds_ * waited;
  const auto fewest = static_cast<double>(kFewest);
  // Waits that are too short for more say nothing.
  if (meant < fewest && held < kFewest) return;
  const double ratio = std::min(static_cast<double>(held) / meant, 1.0);
  ratio_ += (ratio - ratio_) * kNews;
}

}  // namespace gpunode::share
