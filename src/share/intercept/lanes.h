// This process's lanes in the container's account: what its work on each Device
// has come to (share/ledger/lane.h).
#pragma once

#include <cstddef>
#include <cstdint>

#include "share/ledger/lane.h"

namespace gpunode::share {

/// Of this machine: a GPU is told of whole ones.
std::size_t page_bytes();

/// All members but attach() may be called by any number of threads at once.
class Lanes {
 public:
  constexpr Lanes() = default;

  /// `file` is a mapped ledger of `devices` and `slots`. One that has no lanes
  /// is as good: then nobody has one.
  void attach(void* file, std::size_t size, std::uint32_t devices,
              std::uint32_t slots);

  /// The lane of the process that has taken the slot, made ready for it; null
  /// if the slot has none. Once for each process and Device.
  Lane* claim(std::uint32_t slot, std::uint32_t generation,
              std::uint32_t device) const;

  /// The page of the lane, mapped once more, at `*page`, and the lane in it:
  /// a page is made known to one context only. Null: it cannot be mapped.
  Lane* map_again(std::uint32_t slot, std::uint32_t device, void** page) const;
  static void unmap(void* page);

  /// Tells the node that somebody waits.
  void ring() const;

 private:
  std::uint32_t slots() const;

  char* file_ = nullptr;  ///< Null: no lanes.
  std::uint32_t devices_ = 0;
  std::uint32_t ledger_slots_ = 0;
};

}  // namespace gpunode::share
