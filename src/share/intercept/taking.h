// What the driver's functions have in common that take device memory.
#pragma once

#include <cstdint>

#include "share/intercept/account.h"
#include "share/intercept/driver.h"
#include "share/intercept/fault.h"
#include "share/intercept/graph_memory.h"
#include "share/intercept/pool.h"
#include "share/intercept/real.h"

namespace gpunode::share {

/// Returns memory of the device, by its number in the limits, that pools and
/// graphs keep without need, as the driver does it; true if that was any.
inline bool make_room(std::uint32_t device) {
  const bool have_pools = trim_pools(device);
  return trim_graphs(device) || have_pools;
}

/// `reserve()` of the account into `block`; if there is no room, once more
/// after memory that pools keep without need is returned, as the driver does
/// it.
template <typename Reserve>
bool is_reserved(Reserve reserve, const Block& block) {
  const Verdict verdict = reserve();
  return verdict == Verdict::kGranted ||
         (verdict == Verdict::kRefused && make_room(block.device) &&
          reserve() == Verdict::kGranted);
}

/// Charges `bytes` of the current device, asks the driver, and keeps the charge
/// under the key that `key_of()` gives, or takes it back if the driver gave
/// nothing.
template <typename Ask, typename KeyOf>
abi::CUresult take(MemoryKind kind, std::uint64_t bytes, Ask ask,
                   KeyOf key_of) {
  Block block;
  if (!is_reserved([&] { return account().reserve(kind, bytes, &block); },
                   block)) {
    return abi::CUDA_ERROR_OUT_OF_MEMORY;
  }
  const abi::CUresult result = noted(ask());
  if (result == abi::CUDA_SUCCESS) {
    account().remember(key_of(), block);
  } else {
    account().release(block);
  }
  return result;
}

/// Gives back what was charged under `key`, if the driver frees it. Once it is
/// free another thread may be given the same key: so it is forgotten before,
/// and remembered again if the driver refuses.
template <typename Ask>
abi::CUresult give(std::uint64_t key, Ask ask) {
  Block block;
  const bool was_known = account().begin_free(key, &block);
  const abi::CUresult result = ask();
  if (was_known) {
    account().end_free(key, block, result == abi::CUDA_SUCCESS);
  }
  return result;
}

/// The same for what cuMemFree and cuMemFreeAsync are given: it may be memory
/// of a pool.
template <typename Ask>
abi::CUresult give_any(abi::CUdeviceptr address, Ask ask) {
  if (!account().is_limited()) return ask();
  Block block;
  const bool is_data = account().begin_free(address, &block);
  const PoolFreeing freeing = begin_pool_free(address);
  const abi::CUresult result = noted(ask());
  const bool is_freed = result == abi::CUDA_SUCCESS;
  end_pool_free(address, freeing, is_freed);
  if (is_data) {
    account().end_free(address, block, is_freed);
  } else if (is_freed) {
    note_pool_freed();
  }
  return result;
}

/// In the child of a fork, which has none of its parent's.
void forget_virtual();

}  // namespace gpunode::share
