// What the node makes of a container's ledger. The container may have written
// anything there, may change it at any moment and cut the file off under a
// mapping; so the node never maps a ledger, reads it into memory of its own,
// and believes no number of it further than the numbers go.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "share/ledger/layout.h"
#include "share/ledger/limits.h"

namespace gpunode::share {

/// What the processes of a container hold of one device, as they say: bytes.
struct DeviceUse {
  std::array<std::uint64_t, kMemoryKinds> held = {};
  /// Of the kinds that are of the sum, 2^64 - 1 if that is exceeded.
  std::uint64_t total = 0;
  std::uint64_t imported() const {
    return held[static_cast<std::size_t>(MemoryKind::kImported)];
  }
  std::uint64_t peak = 0;
  std::uint64_t refusals = 0;
};

/// One process that has a slot, as it says.
struct SlotUse {
  SlotWord owner;
  std::uint64_t start_time = 0;
};

/// A view of a copy of a ledger. Does not own the copy, which must outlive it
/// and which nobody changes.
class LedgerCopy {
 public:
  /// False if the bytes are no ledger for so many devices and slots, which the
  /// node knows: it made the file. `bytes` needs no alignment.
  static bool view(const void* bytes, std::size_t size, std::uint32_t devices,
                   std::uint32_t slots, LedgerCopy* copy);

  /// The sum over the living, less those of which the limits say that they are
  /// gone. `device` is below the number of devices.
  DeviceUse use_of(std::uint32_t device, const Limits& limits) const;
  /// False if no process has the slot. `slot` is below the number of slots.
  bool read_slot(std::uint32_t slot, SlotUse* use) const;
  /// Bytes of the sum that the process in the slot says it holds of the device.
  std::uint64_t held_by(std::uint32_t slot, std::uint32_t device) const;

 private:
  std::uint64_t word_at(std::size_t offset) const;
  std::size_t offset_of(std::uint32_t slot) const;

  const char* bytes_ = nullptr;
  std::uint32_t devices_ = 0;
  std::uint32_t slots_ = 0;
};

}  // namespace gpunode::share
