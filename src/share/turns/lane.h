// How the lanes of a container lie in memory (docs/formats/ledger.md): what the
// work of its processes on each Device has come to. Written by the processes
// and by the GPU itself; nothing in it is to be trusted by anyone outside.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "share/ledger/layout.h"

namespace gpunode::share {

inline constexpr std::uint64_t kLanesMagic = 0x314E414C444F4E47;  // "GNODLAN1"
inline constexpr std::uint32_t kLanesVersion = 1;

using SmallWord = std::atomic<std::uint32_t>;
static_assert(SmallWord::is_always_lock_free && sizeof(SmallWord) == 4);

struct alignas(kCacheLine) LanesHeader {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t devices;
  std::uint32_t slots;
  SmallWord used_slots;  ///< One past the highest slot that has a lane.
};

/// One process on one Device; by slot of the ledger, then by Device.
struct alignas(kCacheLine) Lane {
  Word launches;
  Word waited;         ///< Nanoseconds that threads have waited for a turn.
  SmallWord owner;     ///< Generation of the slot's owner, and kOwned.
  SmallWord waiting;   ///< Threads that wait for a turn now.
  SmallWord fenced;    ///< Number of the last fence that was asked for.
  SmallWord unfenced;  ///< Launches that no fence stands behind yet.
  SmallWord piece;     ///< Microseconds from one fence to the next, lately.
  /// The GPU's: number of the last fence that it has passed. On a line of its
  /// own, for it is written over the bus.
  alignas(kCacheLine) SmallWord done;

  static constexpr std::uint32_t kOwned = std::uint32_t{1} << 31;
};
static_assert(sizeof(Lane) == 2 * kCacheLine);

constexpr std::size_t lane_place(std::uint32_t devices, std::uint32_t slot,
                                 std::uint32_t device) {
  return sizeof(LanesHeader) +
         (std::size_t{slot} * devices + device) * sizeof(Lane);
}
constexpr std::size_t lanes_size(std::uint32_t devices, std::uint32_t slots) {
  return lane_place(devices, slots, 0);
}

/// What the word of turns of a Device says, in a file that only the node
/// writes. 0: nobody waits for turns here.
struct TurnWord {
  static constexpr std::uint32_t kInTurns = 1;
  /// Launches are to wait; those who do sleep on the word.
  static constexpr std::uint32_t kClosed = 2;
  /// Others want the Device: who has nothing to do says so.
  static constexpr std::uint32_t kContended = 4;
};

}  // namespace gpunode::share
