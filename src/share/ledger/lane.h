// How the lanes of a container lie in its ledger's file, behind the ledger
// (docs/formats/ledger.md): what the work of its processes on each Device has
// come to. Written by the processes and by the GPU itself; nothing in it is to
// be trusted by anyone outside.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "share/ledger/layout.h"

namespace gpunode::share {

inline constexpr std::uint64_t kLanesMagic = 0x314E414C444F4E47;  // "GNODLAN1"
inline constexpr std::uint32_t kLanesVersion = 1;
inline constexpr std::size_t kLanePage = 4096;  ///< Or a multiple of it.
/// Streams of one process on one Device whose work is told apart at once.
inline constexpr std::uint32_t kLaneStreams = 16;
/// Slots that have lanes, the lowest ones. Processes of the others take no
/// turns.
inline constexpr std::uint32_t kMostLaneSlots = 64;

using SmallWord = std::atomic<std::uint32_t>;
static_assert(SmallWord::is_always_lock_free && sizeof(SmallWord) == 4);

struct LanesHeader {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t devices;
  std::uint32_t slots;   ///< lane_slots() of the ledger's.
  SmallWord used_slots;  ///< One past the highest slot that has had a lane.
};

/// One process on one Device; by slot of the ledger, then by Device.
struct alignas(512) Lane {
  Word launches;      ///< Pieces of work that were given to the driver.
  Word waited;        ///< Nanoseconds that threads have waited for a turn.
  Word waits;         ///< How often one did.
  SmallWord owner;    ///< Generation of the slot's owner, and kOwned.
  SmallWord waiting;  ///< Threads that wait for a turn now.
  SmallWord tails;    ///< A bit a stream: work behind its last fence.
  /// Microseconds of work from one fence to the next, at most: launches between
  /// them times what the longest one costs lately. 0: not known.
  SmallWord piece;
  SmallWord unfenced;  ///< Launches that no fence will tell the end of.
  SmallWord missed;    ///< How often one was woken for a turn that was over.
  /// Number of the last fence that was asked for, by stream.
  alignas(kCacheLine) std::array<SmallWord, kLaneStreams> asked;
  /// The GPU's: that of the last one that it has passed. On a line of their
  /// own, for they are written over the bus.
  alignas(kCacheLine) std::array<SmallWord, kLaneStreams> done;
  /// Number of the last fence before the last gate, and the opening that this
  /// gate waits for: what was launched since is held until then.
  alignas(kCacheLine) std::array<SmallWord, kLaneStreams> gated;
  std::array<SmallWord, kLaneStreams> until;
  /// How often the process has let in what was held: read by the GPU where a
  /// gate is. On a line of its own, too.
  alignas(kCacheLine) SmallWord opened;

  static constexpr std::uint32_t kOwned = std::uint32_t{1} << 31;
};
static_assert(sizeof(Lane) == 512 && kLanePage % sizeof(Lane) == 0);

/// Whether a gate that waits for the opening `until` is shut. Counts wrap; it
/// is the next opening that gates wait for.
constexpr bool is_shut(std::uint32_t until, std::uint32_t opened) {
  const std::uint32_t left = until - opened;
  return left != 0 && left < std::uint32_t{1} << 16;
}

constexpr std::uint32_t lane_slots(std::uint32_t slots) {
  return slots < kMostLaneSlots ? slots : kMostLaneSlots;
}
constexpr std::size_t lanes_place(std::uint32_t devices, std::uint32_t slots) {
  return (ledger_size(devices, slots) + kLanePage - 1) / kLanePage * kLanePage;
}
/// Of a lane in the file; never over the end of a page.
constexpr std::size_t lane_place(std::uint32_t devices, std::uint32_t slots,
                                 std::uint32_t slot, std::uint32_t device) {
  return lanes_place(devices, slots) +
         (1 + std::size_t{slot} * devices + device) * sizeof(Lane);
}
/// Bytes of a whole file, to the end of a page. Files of before lanes end with
/// the ledger: their containers take no turns.
constexpr std::size_t ledger_file_size(std::uint32_t devices,
                                       std::uint32_t slots) {
  const std::size_t end = lane_place(devices, slots, lane_slots(slots), 0);
  return (end + kLanePage - 1) / kLanePage * kLanePage;
}

/// Writes the lanes' header into the bytes of a new file.
inline void format_lanes(void* file, std::uint32_t devices,
                         std::uint32_t slots) {
  auto* header = reinterpret_cast<LanesHeader*>(static_cast<char*>(file) +
                                                lanes_place(devices, slots));
  header->magic = kLanesMagic;
  header->version = kLanesVersion;
  header->devices = devices;
  header->slots = lane_slots(slots);
}

/// What the word of turns of a Device says, in the file that only the node
/// writes. 0: nobody waits for turns here.
struct TurnWord {
  static constexpr std::uint32_t kInTurns = 1;
  /// Work is to wait; those who do sleep on the word.
  static constexpr std::uint32_t kClosed = 2;
  /// Others want the Device: not much may be under way.
  static constexpr std::uint32_t kContended = 4;
  /// Its pieces are long: where others want the Device, or it is closed, one of
  /// each stream's is to be under way, or held.
  static constexpr std::uint32_t kOneByOne = 8;
};

}  // namespace gpunode::share
