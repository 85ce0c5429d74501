#include "share/ledger/patience.h"

#include <sys/resource.h>

#include <gtest/gtest.h>

namespace gpunode::share {
namespace {

/// How often this thread has slept. One that yields has not.
long sleeps_so_far() {
  rusage use = {};
  getrusage(RUSAGE_THREAD, &use);
  return use.ru_nvcsw;
}

TEST(Patience, SleepsWhereYieldingDidNotHelp) {
  Patience patience;
  const long before = sleeps_so_far();
  errno = ENOTTY;
  for (int turn = 0; turn < 150; ++turn) patience.wait();
  EXPECT_EQ(errno, ENOTTY);
  EXPECT_GE(sleeps_so_far() - before, 50);
}

}  // namespace
}  // namespace gpunode::share
