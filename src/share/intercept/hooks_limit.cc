// cuCtxSetLimit: the one call beside allocations that takes device memory at a
// program's word, and gigabytes of it.
#include "share/intercept/account.h"
#include "share/intercept/contexts.h"
#include "share/intercept/driver.h"
#include "share/intercept/real.h"
#include "share/intercept/taking.h"

namespace gpunode::abi {
namespace {

using share::account;
using share::Block;
using share::driver;
using share::key_of;
using share::MemoryKind;
using share::real_of;

/// What the limits of a context are charged lies under keys beside its own.
std::uint64_t key_of_limit(std::uint64_t context, CUlimit limit) {
  return context + 1 + static_cast<std::uint64_t>(limit);
}

std::uint64_t threads_of(CUdevice device) {
  return share::attribute_of(device, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT) *
         share::attribute_of(
             device, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR);
}

std::uint64_t times(std::uint64_t a, std::uint64_t b) {
  std::uint64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? ~std::uint64_t{0} : product;
}

/// Bytes to be held for the limit at `value`, where `held` are for it at
/// `before`. Stacks are there for every thread that can be resident, at once; a
/// context comes with those of its first limit. Heaps are taken when a kernel
/// first uses one, which is not seen: so when they are asked for.
std::uint64_t bytes_of(CUlimit limit, CUdevice device, std::uint64_t before,
                       std::uint64_t value, std::uint64_t held) {
  if (limit != CU_LIMIT_STACK_SIZE) return share::charged_bytes(value);
  const std::uint64_t threads = threads_of(device);
  if (value >= before) {
    const std::uint64_t more = times(threads, value - before);
    return held + more < held ? ~std::uint64_t{0} : held + more;
  }
  const std::uint64_t less = times(threads, before - value);
  return less < held ? held - less : 0;
}

/// Sets the limit by `ask()`, with what it takes charged before and what it
/// gives back after.
template <typename Ask>
CUresult set(std::uint64_t context, CUdevice device, CUlimit limit,
             std::uint64_t before, std::uint64_t value, Ask ask) {
  const std::uint64_t key = key_of_limit(context, limit);
  Block held;
  const bool is_held = account().begin_free(key, &held);
  const std::uint64_t wanted =
      bytes_of(limit, device, before, value, held.bytes);
  Block more;
  const auto reserve = [&] {
    return account().reserve_on(device, MemoryKind::kLocal, wanted - held.bytes,
                                &more);
  };
  const bool has_room =
      wanted <= held.bytes || share::is_reserved(reserve, more);
  const CUresult result = has_room ? ask() : CUDA_ERROR_OUT_OF_MEMORY;
  if (result != CUDA_SUCCESS) {
    account().release(more);
    if (is_held) account().end_free(key, held, false);
    return result;
  }
  Block now = is_held ? held : more;
  now.owner = context;
  if (wanted < held.bytes) {
    Block less = held;
    less.bytes = held.bytes - wanted;
    account().release(less);
    now.bytes = wanted;
  } else {
    now.bytes = held.bytes + more.bytes;
  }
  account().remember(key, now);
  return result;
}

}  // namespace

GPUNODE_EXPORT CUresult cuCtxSetLimit(CUlimit limit, std::size_t value) {
  const auto ask = real_of(driver().cuCtxSetLimit);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  const auto get_current = real_of(driver().cuCtxGetCurrent);
  const auto get_device = real_of(driver().cuCtxGetDevice);
  const auto get_limit = real_of(driver().cuCtxGetLimit);
  const bool takes_memory = limit == CU_LIMIT_STACK_SIZE ||
                            limit == CU_LIMIT_PRINTF_FIFO_SIZE ||
                            limit == CU_LIMIT_MALLOC_HEAP_SIZE;
  CUcontext context = nullptr;
  CUdevice device = 0;
  std::size_t before = 0;
  if (!takes_memory || get_current == nullptr || get_device == nullptr ||
      get_limit == nullptr || !account().is_limited() ||
      share::is_amid_contexts() || get_current(&context) != CUDA_SUCCESS ||
      context == nullptr || get_device(&device) != CUDA_SUCCESS) {
    return ask(limit, value);
  }
  const share::OwnedTurn turn(share::limit_turn());
  if (get_limit(&before, limit) != CUDA_SUCCESS) return ask(limit, value);
  return set(key_of(context), device, limit, before, value,
             [&] { return ask(limit, value); });
}

}  // namespace gpunode::abi
