// Streams and events by handle.
#pragma once

#include <bit>
#include <cstdint>

#include "gpu/abi/cuda.h"
#include "tests/doubles/cuda/context.h"

namespace gpunode::fake_cuda {

/// Whether `stream` is one of the context's, or one of the three that always
/// are: null, legacy (1) and per-thread (2).
bool is_stream(const Context& context, abi::CUstream stream);

/// The event behind a handle, or null.
Event* find_event(const Context& context, abi::CUevent event);

/// The null stream of a form that takes it for the thread's own.
inline abi::CUstream of_thread(abi::CUstream stream) {
  constexpr std::uintptr_t kPerThread = 2;
  return stream == nullptr ? std::bit_cast<abi::CUstream>(kPerThread) : stream;
}

}  // namespace gpunode::fake_cuda
