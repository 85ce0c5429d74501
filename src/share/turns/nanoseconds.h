// Time as a number that can be divided by parts of it.
#pragma once

#include <chrono>

#include "base/core/clock.h"

namespace gpunode::share {

/// Of a GPU's time. Fractions count: what is owed is summed up over days.
using Nanoseconds = double;

inline Nanoseconds nanoseconds(Duration duration) {
  return std::chrono::duration<double, std::nano>(duration).count();
}

inline Duration of_nanoseconds(Nanoseconds count) {
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double, std::nano>(count));
}

}  // namespace gpunode::share
