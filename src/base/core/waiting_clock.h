// Time that a thread can wait for, as a collaborator.
#pragma once

#include <condition_variable>

#include "base/core/clock.h"
#include "base/core/mutex.h"

namespace gpunode {

class WaitingClock : public Clock {
 public:
  /// Gives `mutex`, which is held, away until `wake` is notified or `until` has
  /// come; TimePoint::max() never does. May return earlier, as any wait.
  virtual void wait_until(std::condition_variable_any& wake, Mutex& mutex,
                          TimePoint until) const REQUIRES(mutex) = 0;
};

/// CLOCK_MONOTONIC.
class SystemWaitingClock final : public WaitingClock {
 public:
  static const SystemWaitingClock& instance();

  TimePoint now() const override;
  void wait_until(std::condition_variable_any& wake, Mutex& mutex,
                  TimePoint until) const override REQUIRES(mutex);
};

}  // namespace gpunode
