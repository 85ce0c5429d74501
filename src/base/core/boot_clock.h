// Time that goes on while the machine is suspended.
#pragma once

#include "base/core/clock.h"

namespace gpunode {

/// CLOCK_BOOTTIME. For what others judge by their own clocks, as a lease; its
/// points are no SystemClock's.
class BootClock final : public Clock {
 public:
  TimePoint now() const override;
};

}  // namespace gpunode
