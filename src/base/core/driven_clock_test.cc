#include "base/core/driven_clock.h"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

namespace gpunode {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

TEST(DrivenClock, AnHourPassesForWhoWaitsForIt) {
  DrivenClock clock;
  std::atomic<int> turns = 0;
  std::thread waiting([&] {
    while (clock.pause(seconds(60))) ++turns;
  });
  const TimePoint end = clock.now() + hours(1);
  while (clock.now() < end) {
    clock.wait_for_waiters(1);
    clock.advance_to(clock.next());
  }
  clock.wait_for_waiters(1);
  EXPECT_EQ(turns, 60);
  clock.end();
  waiting.join();
}

TEST(DrivenClock, WhoIsNotDueStaysAsleep) {
  DrivenClock clock;
  std::atomic<bool> is_awake = false;
  std::thread waiting([&] { is_awake = clock.pause(seconds(60)); });
  clock.wait_for_waiters(1);
  clock.advance_to(clock.now() + seconds(59));
  clock.wait_for_waiters(1);
  EXPECT_FALSE(is_awake);
  clock.advance_to(clock.now() + seconds(1));
  waiting.join();
  EXPECT_TRUE(is_awake);
}

TEST(DrivenClock, ANotificationWakesBeforeTheTime) {
  DrivenClock clock;
  Mutex mutex;
  std::condition_variable_any wake;
  bool is_told = false;
  std::thread waiting([&] {
    const MutexLock lock(mutex);
    while (!is_told) clock.wait_until(wake, mutex, TimePoint::max());
  });
  clock.wait_for_waiters(1);
  {
    const MutexLock lock(mutex);
    is_told = true;
  }
  wake.notify_all();
  waiting.join();
  EXPECT_EQ(clock.next(), TimePoint::max());
}

}  // namespace
}  // namespace gpunode
