// Copies and fills of rows. Arrays have no bytes: what goes there is gone, and
// what comes from there leaves what it comes to as it was.
#include <cstring>

#include "gpu/abi/cuda_copy.h"
#include "tests/doubles/cuda/copy.h"
#include "tests/doubles/cuda/runtime.h"
#include "tests/doubles/cuda/stream.h"

namespace gpunode::abi {

using fake_cuda::any_bytes;
using fake_cuda::Context;
using fake_cuda::copy_bytes;
using fake_cuda::device_bytes;
using fake_cuda::enter_context;
using fake_cuda::is_array;
using fake_cuda::is_stream;
using fake_cuda::of_thread;
using fake_cuda::Runtime;

namespace {

/// One end of a copy.
struct End {
  CUmemorytype type;
  const void* host;
  CUdeviceptr device;
  CUarray array;
  std::size_t pitch;
  std::size_t height;  ///< Of a layer, in rows.
  std::size_t x;
  std::size_t y;
  std::size_t z;
};

struct Extent {
  std::size_t width;
  std::size_t height;
  std::size_t depth;
};

/// Null: there is no such place.
std::byte* row_of(const Runtime& runtime, const End& end, std::size_t y,
                  std::size_t z, std::size_t width) {
  const std::size_t at =
      ((end.z + z) * end.height + end.y + y) * end.pitch + end.x;
  switch (end.type) {
    case CU_MEMORYTYPE_HOST:
      return end.host == nullptr
                 ? nullptr
                 : static_cast<std::byte*>(const_cast<void*>(end.host)) + at;
    case CU_MEMORYTYPE_DEVICE:
      return device_bytes(runtime, end.device + at, width);
    case CU_MEMORYTYPE_UNIFIED:
      return any_bytes(runtime, end.device + at, width);
    default:
      return nullptr;
  }
}

bool makes_sense(const Runtime& runtime, const End& end, const Extent& extent) {
  if (end.type == CU_MEMORYTYPE_ARRAY) return is_array(runtime, end.array);
  const bool has_rows = extent.height > 1 || extent.depth > 1;
  const bool has_layers = extent.depth > 1;
  return (!has_rows || end.pitch >= end.x + extent.width) &&
         (!has_layers || end.height >= end.y + extent.height);
}

CUresult copy_rows(const char* call, CUstream stream, const End& to,
                   const End& from, const Extent& extent) {
  return enter_context(call, [&](Runtime& runtime, Context& context) {
    if (!is_stream(context, stream)) return CUDA_ERROR_INVALID_HANDLE;
    if (!makes_sense(runtime, to, extent) ||
        !makes_sense(runtime, from, extent)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (to.type == CU_MEMORYTYPE_ARRAY || from.type == CU_MEMORYTYPE_ARRAY) {
      return CUDA_SUCCESS;
    }
    for (std::size_t z = 0; z < extent.depth; ++z) {
      for (std::size_t y = 0; y < extent.height; ++y) {
        const CUresult result =
            copy_bytes(row_of(runtime, to, y, z, extent.width),
                       row_of(runtime, from, y, z, extent.width), extent.width);
        if (result != CUDA_SUCCESS) return result;
      }
    }
    return CUDA_SUCCESS;
  });
}

CUresult copy_rows(const char* call, CUstream stream,
                   const CUDA_MEMCPY2D* copy) {
  if (copy == nullptr) return CUDA_ERROR_INVALID_VALUE;
  return copy_rows(
      call, stream,
      {copy->dstMemoryType, copy->dstHost, copy->dstDevice, copy->dstArray,
       copy->dstPitch, 0, copy->dstXInBytes, copy->dstY, 0},
      {copy->srcMemoryType, copy->srcHost, copy->srcDevice, copy->srcArray,
       copy->srcPitch, 0, copy->srcXInBytes, copy->srcY, 0},
      {copy->WidthInBytes, copy->Height, 1});
}

template <typename Copy>
CUresult copy_layers(const char* call, CUstream stream, const Copy* copy) {
  if (copy == nullptr) return CUDA_ERROR_INVALID_VALUE;
  return copy_rows(call, stream,
                   {copy->dstMemoryType, copy->dstHost, copy->dstDevice,
                    copy->dstArray, copy->dstPitch, copy->dstHeight,
                    copy->dstXInBytes, copy->dstY, copy->dstZ},
                   {copy->srcMemoryType, copy->srcHost, copy->srcDevice,
                    copy->srcArray, copy->srcPitch, copy->srcHeight,
                    copy->srcXInBytes, copy->srcY, copy->srcZ},
                   {copy->WidthInBytes, copy->Height, copy->Depth});
}

template <class Value>
CUresult fill(const char* call, CUdeviceptr to, std::size_t pitch, Value value,
              std::size_t width, std::size_t height, CUstream stream) {
  return enter_context(call, [&](Runtime& runtime, Context& context) {
    if (!is_stream(context, stream)) return CUDA_ERROR_INVALID_HANDLE;
    if (to % sizeof(Value) != 0 || pitch % sizeof(Value) != 0 ||
        width > SIZE_MAX / sizeof(Value) ||
        (height > 1 && pitch < width * sizeof(Value))) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    for (std::size_t y = 0; y < height; ++y) {
      std::byte* const row =
          device_bytes(runtime, to + y * pitch, width * sizeof(Value));
      if (row == nullptr) return CUDA_ERROR_INVALID_VALUE;
      for (std::size_t x = 0; x < width; ++x) {
        std::memcpy(row + x * sizeof(Value), &value, sizeof(Value));
      }
    }
    return CUDA_SUCCESS;
  });
}

}  // namespace

CUresult cuMemcpy2D_v2(const CUDA_MEMCPY2D* copy) {
  return copy_rows("cuMemcpy2D_v2", nullptr, copy);
}

CUresult cuMemcpy2D_v2_ptds(const CUDA_MEMCPY2D* copy) {
  return copy_rows("cuMemcpy2D_v2_ptds", nullptr, copy);
}

CUresult cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D* copy, CUstream stream) {
  return copy_rows("cuMemcpy2DAsync_v2", stream, copy);
}

CUresult cuMemcpy2DAsync_v2_ptsz(const CUDA_MEMCPY2D* copy, CUstream stream) {
  return copy_rows("cuMemcpy2DAsync_v2_ptsz", of_thread(stream), copy);
}

CUresult cuMemcpy2DUnaligned_v2(const CUDA_MEMCPY2D* copy) {
  return copy_rows("cuMemcpy2DUnaligned_v2", nullptr, copy);
}

CUresult cuMemcpy2DUnaligned_v2_ptds(const CUDA_MEMCPY2D* copy) {
  return copy_rows("cuMemcpy2DUnaligned_v2_ptds", nullptr, copy);
}

CUresult cuMemcpy3D_v2(const CUDA_MEMCPY3D* copy) {
  return copy_layers("cuMemcpy3D_v2", nullptr, copy);
}

CUresult cuMemcpy3D_v2_ptds(const CUDA_MEMCPY3D* copy) {
  return copy_layers("cuMemcpy3D_v2_ptds", nullptr, copy);
}

CUresult cuMemcpy3DAsync_v2(const CUDA_MEMCPY3D* copy, CUstream stream) {
  return copy_layers("cuMemcpy3DAsync_v2", stream, copy);
}

CUresult cuMemcpy3DAsync_v2_ptsz(const CUDA_MEMCPY3D* copy, CUstream stream) {
  return copy_layers("cuMemcpy3DAsync_v2_ptsz", of_thread(stream), copy);
}

CUresult cuMemcpy3DPeer(const CUDA_MEMCPY3D_PEER* copy) {
  return copy_layers("cuMemcpy3DPeer", nullptr, copy);
}

CUresult cuMemcpy3DPeer_ptds(const CUDA_MEMCPY3D_PEER* copy) {
  return copy_layers("cuMemcpy3DPeer_ptds", nullptr, copy);
}

CUresult cuMemcpy3DPeerAsync(const CUDA_MEMCPY3D_PEER* copy, CUstream stream) {
  return copy_layers("cuMemcpy3DPeerAsync", stream, copy);
}

CUresult cuMemcpy3DPeerAsync_ptsz(const CUDA_MEMCPY3D_PEER* copy,
                                  CUstream stream) {
  return copy_layers("cuMemcpy3DPeerAsync_ptsz", of_thread(stream), copy);
}

CUresult cuMemsetD2D8_v2(CUdeviceptr to, std::size_t pitch, unsigned char value,
                         std::size_t width, std::size_t height) {
  return fill("cuMemsetD2D8_v2", to, pitch, value, width, height, nullptr);
}

CUresult cuMemsetD2D8_v2_ptds(CUdeviceptr to, std::size_t pitch,
                              unsigned char value, std::size_t width,
                              std::size_t height) {
  return fill("cuMemsetD2D8_v2_ptds", to, pitch, value, width, height, nullptr);
}

CUresult cuMemsetD2D8Async(CUdeviceptr to, std::size_t pitch,
                           unsigned char value, std::size_t width,
                           std::size_t height, CUstream stream) {
  return fill("cuMemsetD2D8Async", to, pitch, value, width, height, stream);
}

CUresult cuMemsetD2D8Async_ptsz(CUdeviceptr to, std::size_t pitch,
                                unsigned char value, std::size_t width,
                                std::size_t height, CUstream stream) {
  return fill("cuMemsetD2D8Async_ptsz", to, pitch, value, width, height,
              of_thread(stream));
}

CUresult cuMemsetD2D16_v2(CUdeviceptr to, std::size_t pitch,
                          unsigned short value, std::size_t width,
                          std::size_t height) {
  return fill("cuMemsetD2D16_v2", to, pitch, value, width, height, nullptr);
}

CUresult cuMemsetD2D16_v2_ptds(CUdeviceptr to, std::size_t pitch,
                               unsigned short value, std::size_t width,
                               std::size_t height) {
  return fill("cuMemsetD2D16_v2_ptds", to, pitch, value, width, height,
              nullptr);
}

CUresult cuMemsetD2D16Async(CUdeviceptr to, std::size_t pitch,
                            unsigned short value, std::size_t width,
                            std::size_t height, CUstream stream) {
  return fill("cuMemsetD2D16Async", to, pitch, value, width, height, stream);
}

CUresult cuMemsetD2D16Async_ptsz(CUdeviceptr to, std::size_t pitch,
                                 unsigned short value, std::size_t width,
                                 std::size_t height, CUstream stream) {
  return fill("cuMemsetD2D16Async_ptsz", to, pitch, value, width, height,
              of_thread(stream));
}

CUresult cuMemsetD2D32_v2(CUdeviceptr to, std::size_t pitch, unsigned value,
                          std::size_t width, std::size_t height) {
  return fill("cuMemsetD2D32_v2", to, pitch, value, width, height, nullptr);
}

CUresult cuMemsetD2D32_v2_ptds(CUdeviceptr to, std::size_t pitch,
                               unsigned value, std::size_t width,
                               std::size_t height) {
  return fill("cuMemsetD2D32_v2_ptds", to, pitch, value, width, height,
              nullptr);
}

CUresult cuMemsetD2D32Async(CUdeviceptr to, std::size_t pitch, unsigned value,
                            std::size_t width, std::size_t height,
                            CUstream stream) {
  return fill("cuMemsetD2D32Async", to, pitch, value, width, height, stream);
}

CUresult cuMemsetD2D32Async_ptsz(CUdeviceptr to, std::size_t pitch,
                                 unsigned value, std::size_t width,
                                 std::size_t height, CUstream stream) {
  return fill("cuMemsetD2D32Async_ptsz", to, pitch, value, width, height,
              of_thread(stream));
}

}  // namespace gpunode::abi
