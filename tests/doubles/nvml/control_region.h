// The memory that tests share with a running double: docs of the format.
//
// A file of sizeof(ControlRegion) bytes, mapped MAP_SHARED by the library (it
// finds the path in GPUNODE_FAKE_NVML_CONTROL) and by whoever steers it.
// All zeros is the state in which nothing is injected, so any opener may make
// it: open(O_CREAT), ftruncate to the size, set `magic`. Every field is a
// native-endian, lock-free atomic, or guarded by one as said beside it.
// Nothing in it is a pointer.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "tests/doubles/nvml/calls.h"

namespace gpunode::fake_nvml {

/// "FNV1": changed with the layout.
inline constexpr std::uint32_t kControlMagic = 0x31564e46;

/// One event for the sets that registered it. Written in two steps: the fields
/// first, then `sequence` = its number in the order of events plus one. A
/// reader that finds a higher sequence than it waits for was overrun.
struct EventSlot {
  static constexpr std::int32_t kAllGpus = -1;
  static constexpr std::int32_t kUnknownGpu = -2;

  std::atomic<std::uint64_t> sequence;
  std::atomic<std::int32_t> gpu;  ///< Index in the profile, or one of the two.
  std::atomic<std::uint64_t> type;
  std::atomic<std::uint64_t> data;
  std::atomic<std::uint32_t> gpu_instance;
  std::atomic<std::uint32_t> compute_instance;
};

/// A rule over calls: of those that match, the first `after` pass, the next
/// `times` (0: all) are delayed by `delay_ms` and then answer `code`, or go on
/// as ever if that is 0 (NVML_SUCCESS).
struct Fault {
  static constexpr std::uint32_t kFree = 0;
  static constexpr std::uint32_t kBeingWritten = 1;
  static constexpr std::uint32_t kActive = 2;
  static constexpr std::int32_t kAnyGpu = -1;

  std::atomic<std::uint32_t> state;
  std::atomic<std::uint32_t> call;  ///< As Call.
  std::atomic<std::int32_t> gpu;
  std::atomic<std::int32_t> code;
  std::atomic<std::uint32_t> delay_ms;
  std::atomic<std::uint64_t> after;
  std::atomic<std::uint64_t> times;
  std::atomic<std::uint64_t> matched;  ///< Calls that matched so far.
};

struct ControlRegion {
  static constexpr std::size_t kEventSlots = 512;
  static constexpr std::size_t kFaults = 64;
  static constexpr std::size_t kCountSlots = 192;
  static constexpr std::size_t kPathBytes = 4096;

  std::atomic<std::uint32_t> magic;
  /// Futex: goes up with everything that a waiting event set must see.
  std::atomic<std::uint32_t> wake;
  std::atomic<std::uint32_t> driver_down;  ///< Not 0: no driver.
  /// Goes up each time that the driver goes down; a session of an older
  /// generation is dead for good.
  std::atomic<std::uint32_t> generation;
  std::atomic<std::uint64_t> lost_gpus;  ///< Bit N: GPU N of the profile.
  std::atomic<std::uint64_t> events_reserved;
  std::array<EventSlot, kEventSlots> events;
  std::array<Fault, kFaults> faults;
  std::array<std::atomic<std::uint64_t>, kCountSlots> counts;  ///< By Call.
  /// Futex: goes up with each call while count_waiters is not 0.
  std::atomic<std::uint32_t> count_wake;
  std::atomic<std::uint32_t> count_waiters;
  /// Even: `profile` may be read, if it is still the same afterwards. Odd: it
  /// is being written.
  std::atomic<std::uint32_t> profile_version;
  /// NUL-terminated; empty: not set.
  std::array<std::atomic<char>, kPathBytes> profile;
};

static_assert(kCallCount <= ControlRegion::kCountSlots);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

}  // namespace gpunode::fake_nvml
