#include "base/core/mutex.h"

#include <condition_variable>
#include <thread>

#include <gtest/gtest.h>

namespace gpunode {
namespace {

TEST(Mutex, KeepsThreadsApart) {
  Mutex mutex;
  int count = 0;
  const auto work = [&] {
    for (int i = 0; i < 20000; ++i) {
      const MutexLock lock(mutex);
      count = count + 1;
    }
  };
  std::thread one(work);
  std::thread two(work);
  one.join();
  two.join();
  EXPECT_EQ(count, 40000);
}

TEST(Mutex, CanBeWaitedOn) {
  Mutex mutex;
  std::condition_variable_any changed;
  bool is_ready = false;
  std::thread setter([&] {
    const MutexLock lock(mutex);
    is_ready = true;
    changed.notify_one();
  });
  {
    const MutexLock lock(mutex);
    while (!is_ready) changed.wait(mutex);
  }
  setter.join();
  EXPECT_TRUE(is_ready);
}

}  // namespace
}  // namespace gpunode
