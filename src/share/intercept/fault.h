// Contexts that have failed. What they were given never comes to its end, and
// nobody says so but the driver, in its next answer.
#pragma once

#include "gpu/abi/cuda.h"

namespace gpunode::share {

/// An answer of the driver's to who called it in the current context. If it is
/// that the context has failed, all that it had under way or held is over.
void note_failure(abi::CUresult result);

/// The same, and the answer.
inline abi::CUresult noted(abi::CUresult result) {
  if (result != abi::CUDA_SUCCESS) note_failure(result);
  return result;
}

}  // namespace gpunode::share
