#include "base/core/boot_clock.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string_view>

#include <gtest/gtest.h>

namespace gpunode {
namespace {

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080  // <linux/sched.h>
#endif

enum Ending : int { kFollows, kStandsStill, kCannotTell };

/// Run where the machine was suspended for an hour, as its clocks say.
int look_after_suspend() {
  if (::unshare(CLONE_NEWTIME) != 0 &&
      ::unshare(CLONE_NEWUSER | CLONE_NEWTIME) != 0) {
    return kCannotTell;
  }
  const int offsets = ::open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
  constexpr std::string_view kSuspended = "boottime 3600 0\n";
  if (offsets < 0 ||
      ::write(offsets, kSuspended.data(), kSuspended.size()) < 0) {
    return kCannotTell;
  }
  const TimePoint before = BootClock().now();
  const TimePoint running = SystemClock().now();
  const pid_t child = ::fork();  // Children are in the new namespace.
  if (child == 0) {
    const bool follows =
        BootClock().now() - before >= std::chrono::hours(1) &&
        SystemClock().now() - running < std::chrono::minutes(30);
    ::_exit(follows ? kFollows : kStandsStill);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : kStandsStill;
}

TEST(BootClock, GoesOnWhileTheMachineIsSuspended) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(look_after_suspend());
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == kCannotTell) {
    GTEST_SKIP() << "no time namespace may be made here";
  }
  EXPECT_EQ(WEXITSTATUS(status), kFollows);
}

TEST(BootClock, NeverGoesBack) {
  const BootClock clock;
  TimePoint last = clock.now();
  for (int i = 0; i < 1000; ++i) {
    const TimePoint now = clock.now();
    ASSERT_GE(now, last);
    last = now;
  }
}

}  // namespace
}  // namespace gpunode
