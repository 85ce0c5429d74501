// Turns amid which the driver is asked.
#pragma once

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "share/intercept/turn.h"

namespace gpunode::share {

/// What is kept by one thread at a time while it asks the driver.
enum class Kept : std::uint8_t { kPools, kGraphs, kMappings, kPlaces };

struct DriverTurnWord {
  std::atomic<bool> is_busy = false;
  std::atomic<const int*> holder = nullptr;
};

/// The turn of one of them. A callback of the program's may run amid a call of
/// the driver, on the same thread (CUPTI's do), and ask for something itself.
/// Who then waited would wait for itself: so where is_amid(), the driver is
/// asked and nothing noted.
class DriverTurn {
 public:
  explicit DriverTurn(Kept kept)
      : turn_(words[at(kept)].is_busy), word_(words[at(kept)]) {
    word_.holder.store(this_thread(), std::memory_order_relaxed);
  }
  DriverTurn(const DriverTurn&) = delete;
  DriverTurn& operator=(const DriverTurn&) = delete;
  ~DriverTurn() { word_.holder.store(nullptr, std::memory_order_relaxed); }

  /// This thread has one of the turns. Only it can have said so itself.
  static bool is_amid() {
    for (const DriverTurnWord& word : words) {
      if (word.holder.load(std::memory_order_relaxed) == this_thread()) {
        return true;
      }
    }
    return false;
  }
  /// In the child of a fork: a thread of the parent may have had it.
  static void forget(Kept kept) {
    words[at(kept)].holder.store(nullptr, std::memory_order_relaxed);
    words[at(kept)].is_busy.store(false, std::memory_order_relaxed);
  }

 private:
  static constexpr std::size_t at(Kept kept) {
    return static_cast<std::size_t>(kept);
  }
  /// Each has its own errno: cheaper than asking the kernel for a number.
  static const int* this_thread() { return &errno; }

  constinit inline static std::array<DriverTurnWord, 4> words = {};

  Turn turn_;
  DriverTurnWord& word_;
};

}  // namespace gpunode::share
