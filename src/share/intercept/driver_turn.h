// Turns amid which the driver is asked.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "share/intercept/owned_turn.h"

namespace gpunode::share {

/// What is kept by one thread at a time while it asks the driver.
enum class Kept : std::uint8_t { kPools, kGraphs, kMappings, kPlaces };

/// The turn of one of them. A callback of the program's may run amid a call of
/// the driver, on the same thread (CUPTI's do), and ask for something itself.
/// Who then waited would wait for itself: so where is_amid(), the driver is
/// asked and nothing noted.
class DriverTurn {
 public:
  explicit DriverTurn(Kept kept) : turn_(words[at(kept)]) {}

  /// This thread has one of the turns.
  static bool is_amid() {
    for (const OwnedWord& word : words) {
      if (word.is_mine()) return true;
    }
    return false;
  }
  /// In the child of a fork: a thread of the parent may have had it.
  static void forget(Kept kept) { words[at(kept)].forget(); }

 private:
  static constexpr std::size_t at(Kept kept) {
    return static_cast<std::size_t>(kept);
  }

  constinit inline static std::array<OwnedWord, 4> words = {};

  OwnedTurn turn_;
};

}  // namespace gpunode::share
