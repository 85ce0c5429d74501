// Copies and fills. A stream only has to exist: work is done on submission.
#include <cstring>

#include "tests/doubles/cuda/copy.h"
#include "tests/doubles/cuda/runtime.h"
#include "tests/doubles/cuda/stream.h"

namespace gpunode::abi {

using fake_cuda::any_bytes;
using fake_cuda::Context;
using fake_cuda::copy_bytes;
using fake_cuda::device_bytes;
using fake_cuda::enter_context;
using fake_cuda::is_stream;
using fake_cuda::Runtime;

namespace {

/// `bytes_of(runtime)` gives the two ends of a copy.
template <class Ends>
CUresult copy_on(const char* call, CUstream stream, std::size_t bytes,
                 Ends ends) {
  return enter_context(call, [&](Runtime& runtime, Context& context) {
    if (!is_stream(context, stream)) return CUDA_ERROR_INVALID_HANDLE;
    const auto [to, from] = ends(runtime);
    return copy_bytes(to, from, bytes);
  });
}

struct CopyEnds {
  std::byte* to = nullptr;
  const std::byte* from = nullptr;
};

CUresult copy_to_device(const char* call, CUdeviceptr to, const void* from,
                        std::size_t bytes, CUstream stream) {
  return copy_on(call, stream, bytes, [&](Runtime& runtime) {
    return CopyEnds{device_bytes(runtime, to, bytes),
                    static_cast<const std::byte*>(from)};
  });
}

CUresult copy_to_host(const char* call, void* to, CUdeviceptr from,
                      std::size_t bytes, CUstream stream) {
  return copy_on(call, stream, bytes, [&](Runtime& runtime) {
    return CopyEnds{static_cast<std::byte*>(to),
                    device_bytes(runtime, from, bytes)};
  });
}

CUresult copy_within(const char* call, CUdeviceptr to, CUdeviceptr from,
                     std::size_t bytes, CUstream stream) {
  return copy_on(call, stream, bytes, [&](Runtime& runtime) {
    return CopyEnds{device_bytes(runtime, to, bytes),
                    device_bytes(runtime, from, bytes)};
  });
}

CUresult copy_anywhere(const char* call, CUdeviceptr to, CUdeviceptr from,
                       std::size_t bytes, CUstream stream) {
  return copy_on(call, stream, bytes, [&](Runtime& runtime) {
    return CopyEnds{any_bytes(runtime, to, bytes),
                    any_bytes(runtime, from, bytes)};
  });
}

template <class Value>
CUresult fill(const char* call, CUdeviceptr to, Value value, std::size_t count,
              CUstream stream) {
  return enter_context(call, [&](Runtime& runtime, Context& context) {
    if (!is_stream(context, stream)) return CUDA_ERROR_INVALID_HANDLE;
    if (count == 0) return CUDA_SUCCESS;
    if (to % sizeof(Value) != 0 || count > SIZE_MAX / sizeof(Value)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    std::byte* bytes = device_bytes(runtime, to, count * sizeof(Value));
    if (bytes == nullptr) return CUDA_ERROR_INVALID_VALUE;
    for (std::size_t i = 0; i < count; ++i) {
      std::memcpy(bytes + i * sizeof(Value), &value, sizeof(Value));
    }
    return CUDA_SUCCESS;
  });
}

}  // namespace

CUresult cuMemcpy(CUdeviceptr to, CUdeviceptr from, std::size_t bytes) {
  return copy_anywhere("cuMemcpy", to, from, bytes, nullptr);
}

CUresult cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, std::size_t bytes,
                       CUstream stream) {
  return copy_anywhere("cuMemcpyAsync", to, from, bytes, stream);
}

CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void* from, std::size_t bytes) {
  return copy_to_device("cuMemcpyHtoD_v2", to, from, bytes, nullptr);
}

CUresult cuMemcpyDtoH_v2(void* to, CUdeviceptr from, std::size_t bytes) {
  return copy_to_host("cuMemcpyDtoH_v2", to, from, bytes, nullptr);
}

CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, std::size_t bytes) {
  return copy_within("cuMemcpyDtoD_v2", to, from, bytes, nullptr);
}

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from,
                              std::size_t bytes, CUstream stream) {
  return copy_to_device("cuMemcpyHtoDAsync_v2", to, from, bytes, stream);
}

CUresult cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, std::size_t bytes,
                              CUstream stream) {
  return copy_to_host("cuMemcpyDtoHAsync_v2", to, from, bytes, stream);
}

CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from,
                              std::size_t bytes, CUstream stream) {
  return copy_within("cuMemcpyDtoDAsync_v2", to, from, bytes, stream);
}

CUresult cuMemsetD8_v2(CUdeviceptr to, unsigned char value, std::size_t count) {
  return fill("cuMemsetD8_v2", to, value, count, nullptr);
}

CUresult cuMemsetD16_v2(CUdeviceptr to, unsigned short value,
                        std::size_t count) {
  return fill("cuMemsetD16_v2", to, value, count, nullptr);
}

CUresult cuMemsetD32_v2(CUdeviceptr to, unsigned value, std::size_t count) {
  return fill("cuMemsetD32_v2", to, value, count, nullptr);
}

CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, std::size_t count,
                         CUstream stream) {
  return fill("cuMemsetD8Async", to, value, count, stream);
}

CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value, std::size_t count,
                          CUstream stream) {
  return fill("cuMemsetD32Async", to, value, count, stream);
}

}  // namespace gpunode::abi
