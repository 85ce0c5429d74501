// A turn that tells whether this thread has it.
#pragma once

#include <atomic>
#include <cerrno>

#include "share/intercept/turn.h"

namespace gpunode::share {

struct OwnedWord {
  std::atomic<bool> is_busy = false;
  std::atomic<const int*> holder = nullptr;

  /// Only this thread can have said so itself.
  bool is_mine() const {
    return holder.load(std::memory_order_relaxed) == &errno;
  }
  /// In the child of a fork: a thread of the parent may have had it.
  void forget() {
    holder.store(nullptr, std::memory_order_relaxed);
    is_busy.store(false, std::memory_order_relaxed);
  }
};

/// Holds it while it lives. A callback of the program's may run amid a call of
/// the driver, on the same thread: who may be in one asks is_mine() before.
class OwnedTurn {
 public:
  explicit OwnedTurn(OwnedWord& word) : turn_(word.is_busy), word_(word) {
    // Each thread has its own errno: cheaper than asking the kernel for a
    // number.
    word_.holder.store(&errno, std::memory_order_relaxed);
  }
  OwnedTurn(const OwnedTurn&) = delete;
  OwnedTurn& operator=(const OwnedTurn&) = delete;
  ~OwnedTurn() { word_.holder.store(nullptr, std::memory_order_relaxed); }

 private:
  Turn turn_;
  OwnedWord& word_;
};

}  // namespace gpunode::share
