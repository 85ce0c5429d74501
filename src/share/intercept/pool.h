// What memory pools of the driver hold, for stream-ordered memory.
//
// A pool takes memory in steps of 32 MiB (H200, driver 580), keeps what is
// freed until a synchronisation or longer, and tells how much it has. So it is
// charged for what it has: before the driver is asked for more than the pool
// has free, the step is reserved, and afterwards the charge is made what the
// pool says. No turn is held while the driver is asked for memory.
#pragma once

#include <cstdint>

#include "gpu/abi/cuda_memory.h"

namespace gpunode::share {

struct Pool;

/// One asking for memory of a pool. begin() comes before the driver is asked.
class PoolTaking {
 public:
  /// False if the limit has no room.
  bool begin(abi::CUmemoryPool pool, std::uint64_t bytes);
  /// `address` is what the driver gave, 0 if nothing. False if the pool grew
  /// where it need not have (what it had free lay in pieces) and there was no
  /// room for that: then the caller frees it, and calls take_back().
  bool end(abi::CUdeviceptr address);
  void take_back();

 private:
  enum class Answer : std::uint8_t { kGranted, kRefused, kLater };
  Answer ask_once(abi::CUmemoryPool pool);
  bool is_free(abi::CUmemoryPool pool);
  bool end_once(abi::CUdeviceptr address, bool is_last);
  void promise(Pool* pool);

  std::uint64_t pool_ = 0;  ///< Our number for it; 0: charged to nobody.
  std::uint64_t bytes_ = 0;
  std::uint64_t reserved_ = 0;
  std::uint64_t promised_ = 0;
  std::uint32_t device_ = 0;
  bool has_tried_trim_ = false;
};

/// The pool that the stream's device has at present; null: unknown.
abi::CUmemoryPool pool_of(abi::CUstream stream);
bool is_capturing(abi::CUstream stream);

void note_pool_made(abi::CUmemoryPool pool, abi::CUdevice device);
/// Asked in the driver's place: what is left of it is charged until the last of
/// its memory is freed.
abi::CUresult destroy_pool(abi::CUmemoryPool pool);

/// Memory of a pool that the program made, which is about to be freed.
struct PoolFreeing {
  std::uint64_t pool = 0;  ///< 0: it is none.
  std::uint64_t bytes = 0;
};
PoolFreeing begin_pool_free(abi::CUdeviceptr address);
void end_pool_free(abi::CUdeviceptr address, const PoolFreeing& freeing,
                   bool is_freed);
/// So that the next wait looks at what pools have.
void note_pool_freed();

/// Makes the charge of every pool what it holds.
void settle_pools();
/// The same, if anything was freed since: the driver returns what is free when
/// the program has waited for its work.
void settle_pools_after_waiting();
/// Has pools of the device, by its number in the limits, return what nobody
/// uses; true if that was anything.
bool trim_pools(std::uint32_t device);

void forget_pools();

}  // namespace gpunode::share
