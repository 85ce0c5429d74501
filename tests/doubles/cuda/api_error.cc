// The names and sentences of results.
#include "tests/doubles/cuda/runtime.h"

namespace gpunode::abi {

using fake_cuda::enter;
using fake_cuda::Runtime;

CUresult cuGetErrorName(CUresult error, const char** name) {
  return enter("cuGetErrorName", [&](Runtime&) {
    if (name == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *name = nullptr;
    switch (error) {
#define GPUNODE_CUDA_NAME(symbol, value, sentence) \
  case symbol:                                     \
    *name = #symbol;                               \
    break;
      GPUNODE_CUDA_RESULTS(GPUNODE_CUDA_NAME)
#undef GPUNODE_CUDA_NAME
    }
    return *name == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
  });
}

CUresult cuGetErrorString(CUresult error, const char** text) {
  return enter("cuGetErrorString", [&](Runtime&) {
    if (text == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *text = nullptr;
    switch (error) {
#define GPUNODE_CUDA_SENTENCE(symbol, value, sentence) \
  case symbol:                                         \
    *text = sentence;                                  \
    break;
      GPUNODE_CUDA_RESULTS(GPUNODE_CUDA_SENTENCE)
#undef GPUNODE_CUDA_SENTENCE
    }
    return *text == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
  });
}

}  // namespace gpunode::abi
