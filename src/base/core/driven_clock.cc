#include "base/core/driven_clock.h"

#include <algorithm>
#include <vector>

namespace gpunode {

TimePoint DrivenClock::now() const {
  const MutexLock lock(mutex_);
  return now_;
}

void DrivenClock::wait_until(std::condition_variable_any& wake, Mutex& mutex,
                             TimePoint until) const {
  std::uint64_t ticket = 0;
  {
    const MutexLock lock(mutex_);
    if (until <= now_) return;
    ticket = ++last_;
    waiters_.emplace(ticket, Waiter{&wake, &mutex, until});
    changed_.notify_all();
  }
  wake.wait(mutex);
  const MutexLock lock(mutex_);
  waiters_.erase(ticket);
}

bool DrivenClock::pause(Duration time) {
  const TimePoint until = now() + time;
  const MutexLock lock(pausing_);
  while (!has_ended_ && now() < until) wait_until(wake_, pausing_, until);
  return !has_ended_;
}

void DrivenClock::wait_for_waiters(std::size_t count) const {
  const MutexLock lock(mutex_);
  while (waiters_.size() < count) changed_.wait(mutex_);
}

TimePoint DrivenClock::next() const {
  const MutexLock lock(mutex_);
  TimePoint first = TimePoint::max();
  for (const auto& [ticket, waiter] : waiters_) {
    first = std::min(first, waiter.until);
  }
  return first;
}

void DrivenClock::advance_to(TimePoint to) {
  std::vector<Waiter> due;
  {
    const MutexLock lock(mutex_);
    now_ = to;
    // They count as waiting no more, though they have yet to wake.
    std::erase_if(waiters_, [&](const auto& entry) {
      if (entry.second.until > to) return false;
      due.push_back(entry.second);
      return true;
    });
  }
  for (const Waiter& waiter : due) {
    // Held by the waiter until it does wait: no call is lost between the two.
    { const MutexLock lock(*waiter.mutex); }
    waiter.wake->notify_all();
  }
}

void DrivenClock::end() {
  const MutexLock lock(pausing_);
  has_ended_ = true;
  wake_.notify_all();
}

}  // namespace gpunode
