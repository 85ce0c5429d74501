// What a container is held to: a file that the node writes and the container
// can only read. The node changes it in place, so that a new limit counts from
// the next reservation on, without a restart.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "share/ledger/lane.h"
#include "share/ledger/layout.h"

namespace gpunode::share {

inline constexpr std::uint64_t kLimitsMagic = 0x31544D4C444F4E47;  // "GNODLMT1"
inline constexpr std::uint32_t kLimitsVersion = 1;
inline constexpr std::size_t kUuidBytes = 48;
inline constexpr std::uint64_t kNoLimit = ~std::uint64_t{0};

struct alignas(kCacheLine) LimitsHeader {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t devices;
  std::uint32_t slots;
  std::uint32_t reserved;
};

struct alignas(kCacheLine) DeviceLimit {
  std::array<char, kUuidBytes> uuid;  ///< "GPU-…" or "MIG-…", NUL behind it.
  Word bytes;  ///< All processes of the container together.
  /// Bytes that the driver says they hold beyond what the ledger has.
  Word unaccounted;
  /// Bytes that a context takes, as the node has measured; 0: it hasn't.
  Word context;
  SmallWord turn;  ///< A TurnWord, and the futex of those who wait.
  /// Counted up while somebody waits, so that they know of a node that does not
  /// come to it any more.
  SmallWord beat;
  SmallWord part;    ///< Thousandths of the Device's time; 0: takes no turns.
  SmallWord policy;  ///< A TurnPolicy.
  /// Who goes first (grants/grant.h): the priority, and whose word it is, in
  /// the upper half. For the node alone.
  Word priority;
  std::array<std::uint64_t, 4> reserved;  ///< 0.
};
static_assert(sizeof(DeviceLimit) == 2 * kCacheLine);

/// A word for each slot, behind the devices: kGone with the generation of an
/// owner that the node has seen end. The node alone knows it of processes in
/// other pid namespaces, and of any as soon as it happens.
using GoneWord = std::atomic<std::uint32_t>;
static_assert(GoneWord::is_always_lock_free && sizeof(GoneWord) == 4);
inline constexpr std::uint32_t kGone = std::uint32_t{1} << 31;

constexpr std::size_t limits_size(std::uint32_t devices, std::uint32_t slots) {
  return sizeof(LimitsHeader) + devices * sizeof(DeviceLimit) +
         std::size_t{slots} * sizeof(GoneWord);
}

/// A mapped limits file. Does not own the mapping, which must outlive it. Any
/// number of threads may read while the node writes.
class Limits {
 public:
  /// False if the bytes are none of ours, of another version or too few.
  /// `bytes` is aligned to a page.
  static bool view(const void* bytes, std::size_t size, Limits* limits);

  std::uint32_t devices() const { return devices_; }
  std::uint32_t slots() const { return slots_; }
  /// Ends with a NUL within kUuidBytes.
  const char* uuid(std::uint32_t device) const {
    return at_[device].uuid.data();
  }
  std::uint64_t bytes(std::uint32_t device) const {
    return at_[device].bytes.load(std::memory_order_relaxed);
  }
  std::uint64_t unaccounted(std::uint32_t device) const {
    return at_[device].unaccounted.load(std::memory_order_relaxed);
  }
  std::uint64_t context(std::uint32_t device) const {
    return at_[device].context.load(std::memory_order_relaxed);
  }
  const DeviceLimit& at(std::uint32_t device) const { return at_[device]; }
  bool says_gone(std::uint32_t slot, std::uint32_t generation) const {
    return gone_[slot].load(std::memory_order_acquire) == (kGone | generation);
  }

 private:
  const DeviceLimit* at_ = nullptr;
  const GoneWord* gone_ = nullptr;
  std::uint32_t devices_ = 0;
  std::uint32_t slots_ = 0;
};

}  // namespace gpunode::share
