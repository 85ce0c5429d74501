// What all of the driver's names here begin with.
#pragma once

#include <atomic>

#include "share/intercept/driver.h"

#define GPUNODE_EXPORT [[gnu::visibility("default")]]

namespace gpunode::share {

/// The driver's function; null where there is no driver or it has none.
template <typename Function>
Function real_of(const std::atomic<Function>& function) {
  return is_driver_known() ? function.load(std::memory_order_relaxed) : nullptr;
}

}  // namespace gpunode::share
