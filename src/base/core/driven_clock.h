// A clock that a test drives, for the threads that wait for it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>

#include "base/core/mutex.h"
#include "base/core/waiting_clock.h"

namespace gpunode {

/// Stands still until told to move, and then wakes who waited for that. For
/// tests; any thread, but one drives.
class DrivenClock final : public WaitingClock {
 public:
  TimePoint now() const override;
  void wait_until(std::condition_variable_any& wake, Mutex& mutex,
                  TimePoint until) const override REQUIRES(mutex);

  /// Waits for so much of its time. False: end() was called.
  bool pause(Duration time);

  // Who drives.

  /// Returns when so many threads wait for this clock.
  void wait_for_waiters(std::size_t count) const;
  /// When the first of those who wait wants to go on.
  TimePoint next() const;
  void advance_to(TimePoint to);
  /// Pauses end, now and from now on.
  void end();

 private:
  struct Waiter {
    std::condition_variable_any* wake;
    Mutex* mutex;
    TimePoint until;
  };

  mutable Mutex mutex_;
  mutable std::condition_variable_any changed_;
  TimePoint now_ GUARDED_BY(mutex_){};
  mutable std::map<std::uint64_t, Waiter> waiters_ GUARDED_BY(mutex_);
  mutable std::uint64_t last_ GUARDED_BY(mutex_) = 0;

  Mutex pausing_;
  std::condition_variable_any wake_;
  bool has_ended_ GUARDED_BY(pausing_) = false;
};

}  // namespace gpunode
