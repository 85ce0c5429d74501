// How a ledger lies in memory. docs/formats/ledger.md says what each word
// means and who writes it; here are only the shapes.
//
// A ledger is one file for one container, mapped by all of its processes and
// writable to them, so nothing in it is to be trusted by anyone outside. What
// they are held to stands in another file that they can't write (limits.h).
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "share/ledger/memory_kind.h"

namespace gpunode::share {

inline constexpr std::size_t kCacheLine = 64;
inline constexpr std::uint64_t kLedgerMagic = 0x3152474C444F4E47;  // "GNODLGR1"
inline constexpr std::uint32_t kLedgerVersion = 1;
inline constexpr std::uint32_t kMostDevices = 16;
/// Processes of one container at once.
inline constexpr std::uint32_t kMostSlots = 4096;
inline constexpr std::uint32_t kUsualSlots = 1024;

/// What a word of another process holds must be readable without its help.
using Word = std::atomic<std::uint64_t>;
static_assert(Word::is_always_lock_free && sizeof(Word) == 8);

/// One for each device, after the header. Written by every process.
struct alignas(kCacheLine) DeviceTally {
  Word peak;      ///< Bytes: the highest sum that a reservation has made.
  Word refusals;  ///< Reservations that the limit refused.
  Word grants;    ///< Reservations that it granted, and charges.
};

struct alignas(kCacheLine) LedgerHeader {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t devices;
  std::uint32_t slots;
  std::uint32_t reserved;
  Word used_slots;  ///< One past the highest slot that was ever taken.
};

/// What one process holds on one device, a word a kind: bytes.
struct alignas(kCacheLine) Cell {
  std::array<Word, kMemoryKinds> held;
};
static_assert(sizeof(Cell) == kCacheLine);

/// One process. Its cells, one for each device, follow it.
struct alignas(kCacheLine) SlotHead {
  Word state;       ///< A SlotWord.
  Word start_time;  ///< Of the process, in clock ticks since boot; 0: unknown.
  /// Odd while a thread of the process asks for bytes: what its cells hold then
  /// may be taken back. Counted up at the begin and the end of each asking.
  Word asks;
};

/// Who has a slot, in one word, so that it changes hands in one step.
struct SlotWord {
  enum class Phase : std::uint8_t {
    kFree = 0,
    kClaimed = 1,  ///< Being made ready by its process; counts nothing.
    kLive = 2,
    kReaped = 3,  ///< Being emptied by the process named; counts nothing.
  };
  static constexpr unsigned kPhaseBits = 4;
  static constexpr unsigned kGenerationBits = 20;
  static constexpr unsigned kPidBits = 22;  // Linux: 2^22 at the most.
  static constexpr unsigned kNamespaceBits = 18;

  Phase phase = Phase::kFree;
  /// Counts the owners of a slot, so that the word of the one is never that of
  /// the next.
  std::uint32_t generation = 0;
  std::uint32_t pid = 0;  ///< As its own pid namespace has it.
  /// The low bits of that namespace's inode; 0: unknown, and then nobody in the
  /// container can tell whether the process lives.
  std::uint32_t pid_namespace = 0;

  static constexpr std::uint32_t lowest(unsigned bits, std::uint64_t value) {
    return static_cast<std::uint32_t>(value & ((std::uint64_t{1} << bits) - 1));
  }

  constexpr std::uint64_t packed() const {
    std::uint64_t word = lowest(kNamespaceBits, pid_namespace);
    word = word << kPidBits | lowest(kPidBits, pid);
    word = word << kGenerationBits | lowest(kGenerationBits, generation);
    return word << kPhaseBits | static_cast<std::uint64_t>(phase);
  }

  static constexpr SlotWord unpacked(std::uint64_t word) {
    SlotWord slot;
    slot.phase = static_cast<Phase>(lowest(kPhaseBits, word));
    word >>= kPhaseBits;
    slot.generation = lowest(kGenerationBits, word);
    word >>= kGenerationBits;
    slot.pid = lowest(kPidBits, word);
    slot.pid_namespace = lowest(kNamespaceBits, word >> kPidBits);
    return slot;
  }
};

/// Where the head of a slot is, in bytes from the beginning.
constexpr std::size_t slot_place(std::uint32_t devices, std::uint32_t slot) {
  return sizeof(LedgerHeader) + devices * sizeof(DeviceTally) +
         std::size_t{slot} * (sizeof(SlotHead) + devices * sizeof(Cell));
}
/// Bytes of a ledger for so many devices and slots.
constexpr std::size_t ledger_size(std::uint32_t devices, std::uint32_t slots) {
  return slot_place(devices, slots);
}

}  // namespace gpunode::share
