#include "base/core/boot_clock.h"

#include <ctime>

namespace gpunode {

TimePoint BootClock::now() const {
  timespec time{};
  // It fails for no clock that the kernel has, and has had since 2.6.39.
  (void)::clock_gettime(CLOCK_BOOTTIME, &time);
  return TimePoint(std::chrono::seconds(time.tv_sec) +
                   std::chrono::nanoseconds(time.tv_nsec));
}

}  // namespace gpunode
