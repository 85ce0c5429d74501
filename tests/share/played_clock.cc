#include "tests/share/played_clock.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <ctime>

namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

std::atomic<std::uint64_t> stopped_at = 0;  // 0: it goes.
std::atomic<std::uint64_t> looks = 0;

}  // namespace

// The program's own comes before the C library's, for the libraries too: it is
// linked so that they find it.
// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name)
extern "C" [[gnu::visibility("default")]] int clock_gettime(
    clockid_t clock, timespec* time) noexcept {
  if (clock == CLOCK_MONOTONIC) {
    ++looks;
    const std::uint64_t at = stopped_at;
    if (at != 0) {
      time->tv_sec = static_cast<time_t>(at / kSecond);
      time->tv_nsec = static_cast<long>(at % kSecond);
      return 0;
    }
  }
  return static_cast<int>(syscall(SYS_clock_gettime, clock, time));
}

namespace gpunode::share {

void stop_clock() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  stopped_at = static_cast<std::uint64_t>(now.tv_sec) * kSecond +
               static_cast<std::uint64_t>(now.tv_nsec);
}

void set_clock_on(std::uint64_t milliseconds) {
  stopped_at += milliseconds * 1'000'000;
}

std::uint64_t clock_looks() {
  return looks;
}

}  // namespace gpunode::share
