// Memory that others made (another process, a graphics API) and this process
// has opened. Who made it pays for it; here it is only recorded, under a kind
// of its own that no limit counts.
#pragma once

#include <cstdint>

#include "gpu/abi/cuda.h"
#include "share/intercept/blocks.h"

namespace gpunode::share {

/// Whether it goes with the context that it was opened in.
enum class Bound : std::uint8_t { kToContext, kToNone };

/// The driver has opened `bytes` of the current device under `key`. What is
/// opened again has the same key, and ends with as many closings.
void note_import(std::uint64_t key, std::uint64_t bytes, Bound bound);
/// The same for an address: its size is the driver's to say.
void note_import_at(abi::CUdeviceptr address, Bound bound);

/// Before the driver is asked to close it: another thread may be given the same
/// key at once. end() follows.
class ImportClosing {
 public:
  explicit ImportClosing(std::uint64_t key);
  void end(bool is_closed) const;

 private:
  std::uint64_t key_;
  Block block_;             ///< Of 0 bytes: nothing of it ends.
  bool is_shared_ = false;  ///< It was opened more than once.
};

}  // namespace gpunode::share
