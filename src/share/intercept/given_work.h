// What the driver's functions have in common that give a Device work.
#pragma once

#include <atomic>

#include "share/intercept/passage.h"
#include "share/intercept/real.h"

namespace gpunode::share {

/// `function` of the driver with `words`, for `stream`.
template <typename Function, typename... Words>
abi::CUresult work(const std::atomic<Function>& function, abi::CUstream stream,
                   Words... words) {
  const auto ask = real_of(function);
  if (ask == nullptr) return abi::CUDA_ERROR_NOT_INITIALIZED;
  return pass(stream, MayHold::kYes, [&] { return ask(words...); });
}

/// The same for a copy that is done when the call returns, or may be.
template <typename Function, typename... Words>
abi::CUresult work_now(const std::atomic<Function>& function,
                       abi::CUstream stream, Words... words) {
  const auto ask = real_of(function);
  if (ask == nullptr) return abi::CUDA_ERROR_NOT_INITIALIZED;
  return pass(stream, MayHold::kNo, [&] { return ask(words...); });
}

}  // namespace gpunode::share
