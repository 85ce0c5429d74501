#include "base/core/waiting_clock.h"

namespace gpunode {

const SystemWaitingClock& SystemWaitingClock::instance() {
  static const SystemWaitingClock clock;
  return clock;
}

TimePoint SystemWaitingClock::now() const {
  return std::chrono::steady_clock::now();
}

void SystemWaitingClock::wait_until(std::condition_variable_any& wake,
                                    Mutex& mutex, TimePoint until) const {
  if (until == TimePoint::max()) {
    wake.wait(mutex);
  } else {
    wake.wait_until(mutex, until);
  }
}

}  // namespace gpunode
