#include "base/core/at_once.h"

#include <atomic>
#include <barrier>
#include <vector>

#include <gtest/gtest.h>

namespace gpunode {
namespace {

TEST(AtOnce, EachIsDoneOnceWhateverTheThreads) {
  for (const std::size_t most : {0U, 1U, 3U, 64U}) {
    std::vector<int> times(40, 0);
    at_once(times.size(), most, [&](std::size_t i) { ++times[i]; });
    EXPECT_EQ(times, std::vector<int>(40, 1)) << most;
  }
  at_once(0, 4, [](std::size_t) { ADD_FAILURE(); });
}

// Nobody passes the barrier before all are there.
TEST(AtOnce, AsManyAsToldRunAtATime) {
  std::barrier all(4);
  at_once(4, 4, [&](std::size_t) { all.arrive_and_wait(); });
}

TEST(AtOnce, NoMoreThanToldRunAtATime) {
  std::atomic<int> running{0};
  std::atomic<int> highest{0};
  at_once(200, 3, [&](std::size_t) {
    const int now = ++running;
    int seen = highest;
    while (seen < now && !highest.compare_exchange_weak(seen, now)) {
    }
    --running;
  });
  EXPECT_LE(highest, 3);
}

}  // namespace
}  // namespace gpunode
