// Those who ask for bytes at the same time as this thread, as one reservation
// has met them: how long they have been waited for, and which of them stand.
#pragma once

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <ctime>

#include "share/ledger/layout.h"

namespace gpunode::share {

/// Waited time is what was meant to be slept, not what passed: on a machine so
/// full that nobody gets a turn, nobody is given up either.
class Crowd {
 public:
  /// Lets others run: turns first, then naps that become longer, so that a
  /// thousand who wait for one do not keep it from running. errno stays.
  void wait() {
    if (turns_ < kTurns) {
      ++turns_;
      waited_ += kFirstNap;
      sched_yield();
      return;
    }
    const int before = errno;
    // Not libc's nanosleep: a thread could be cancelled in it.
    const timespec pause = {0, nap_ * 1000};
    syscall(SYS_nanosleep, &pause, nullptr);
    errno = before;
    waited_ += nap_;
    for_one_ += nap_;
    if (nap_ < kLongestNap) nap_ *= 2;
  }
  /// The next is waited for.
  void begin() {
    turns_ = 0;
    nap_ = kFirstNap;
    for_one_ = 0;
  }
  /// Whoever makes it wait is worth being looked at: a turn is too short for
  /// it.
  bool is_worth_a_look() const { return for_one_ >= kWorthALook; }
  /// Of one whose fate cannot be told from here.
  bool has_waited_long_for_one() const { return for_one_ >= kLongForOne; }
  /// Of all of them together: they change, and nothing comes of it.
  bool has_waited_long() const { return waited_ >= kLong; }

  /// What the slot's process asked for counts as held from here on.
  void stands(std::uint32_t slot) {
    standing_[slot / 64] |= std::uint64_t{1} << slot % 64;
  }
  bool is_standing(std::uint32_t slot) const {
    return (standing_[slot / 64] >> slot % 64 & 1) != 0;
  }

 private:
  static constexpr int kTurns = 16;
  // Microseconds.
  static constexpr long kFirstNap = 50;
  static constexpr long kLongestNap = 6'400;
  static constexpr long kWorthALook = 1'000;
  static constexpr long kLongForOne = 1'000'000;
  static constexpr long kLong = 10'000'000;

  int turns_ = 0;
  long nap_ = kFirstNap;
  long waited_ = 0;
  long for_one_ = 0;
  std::array<std::uint64_t, kMostSlots / 64> standing_ = {};
};

}  // namespace gpunode::share
