// One thread at a time, without a lock of the C library's.
#pragma once

#include <atomic>

#include "share/ledger/patience.h"

namespace gpunode::share {

/// Holds `is_busy` while it lives. For work of a few microseconds, or a call of
/// the driver that never waits for the program.
class Turn {
 public:
  explicit Turn(std::atomic<bool>& is_busy) : is_busy_(is_busy) {
    Patience patience;
    while (is_busy_.exchange(true, std::memory_order_acquire)) patience.wait();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() { is_busy_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool>& is_busy_;
};

}  // namespace gpunode::share
