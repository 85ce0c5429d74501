// Copies of arrays, which have no bytes, between contexts and in batches. Those
// of newer drivers, with a description of its own for each copy, are counted
// and no more.
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

CUresult copy_array(const char* call, CUarray to, CUarray from) {
  return enter_context(call, [&](Runtime& runtime, Context&) {
    return (to == nullptr || is_array(runtime, to)) &&
                   (from == nullptr || is_array(runtime, from))
               ? CUDA_SUCCESS
               : CUDA_ERROR_INVALID_VALUE;
  });
}

CUresult copy_between(const char* call, CUdeviceptr to, CUcontext to_context,
                      CUdeviceptr from, CUcontext from_context,
                      std::size_t bytes, CUstream stream) {
  return enter_context(call, [&](Runtime& runtime, Context& context) {
    if (!is_stream(context, stream)) return CUDA_ERROR_INVALID_HANDLE;
    if (runtime.find_context(to_context) == nullptr ||
        runtime.find_context(from_context) == nullptr) {
      return CUDA_ERROR_INVALID_CONTEXT;
    }
    return copy_bytes(device_bytes(runtime, to, bytes),
                      device_bytes(runtime, from, bytes), bytes);
  });
}

CUresult copy_batch(const char* call, const CUdeviceptr* to,
                    const CUdeviceptr* from, const std::size_t* bytes,
                    std::size_t count, std::size_t* failed, CUstream stream) {
  return enter_context(call, [&](Runtime& runtime, Context& context) {
    if (!is_stream(context, stream)) return CUDA_ERROR_INVALID_HANDLE;
    // The null stream has none.
    if (stream == nullptr || count == 0 || to == nullptr || from == nullptr ||
        bytes == nullptr) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    for (std::size_t at = 0; at < count; ++at) {
      const CUresult result =
          copy_bytes(any_bytes(runtime, to[at], bytes[at]),
                     any_bytes(runtime, from[at], bytes[at]), bytes[at]);
      if (result == CUDA_SUCCESS) continue;
      if (failed != nullptr) *failed = at;
      return result;
    }
    return CUDA_SUCCESS;
  });
}

CUresult count_copies(const char* call, bool has_any, CUstream stream) {
  return enter_context(call, [&](Runtime&, Context& context) {
    if (!is_stream(context, stream)) return CUDA_ERROR_INVALID_HANDLE;
    return has_any && stream != nullptr ? CUDA_SUCCESS
                                        : CUDA_ERROR_INVALID_VALUE;
  });
}

}  // namespace

CUresult cuMemcpyDtoH_v2_ptds(void* to, CUdeviceptr from, std::size_t bytes) {
  return cuMemcpyDtoH_v2(to, from, bytes);
}

CUresult cuMemcpyDtoHAsync_v2_ptsz(void* to, CUdeviceptr from,
                                   std::size_t bytes, CUstream stream) {
  return cuMemcpyDtoHAsync_v2(to, from, bytes, of_thread(stream));
}

CUresult cuMemcpyAtoA_v2(CUarray to, std::size_t /*to_at*/, CUarray from,
                         std::size_t /*from_at*/, std::size_t /*bytes*/) {
  return copy_array("cuMemcpyAtoA_v2", to, from);
}

CUresult cuMemcpyAtoA_v2_ptds(CUarray to, std::size_t /*to_at*/, CUarray from,
                              std::size_t /*from_at*/, std::size_t /*bytes*/) {
  return copy_array("cuMemcpyAtoA_v2_ptds", to, from);
}

CUresult cuMemcpyAtoD_v2(CUdeviceptr /*to*/, CUarray from,
                         std::size_t /*from_at*/, std::size_t /*bytes*/) {
  return copy_array("cuMemcpyAtoD_v2", nullptr, from);
}

CUresult cuMemcpyAtoD_v2_ptds(CUdeviceptr /*to*/, CUarray from,
                              std::size_t /*from_at*/, std::size_t /*bytes*/) {
  return copy_array("cuMemcpyAtoD_v2_ptds", nullptr, from);
}

CUresult cuMemcpyDtoA_v2(CUarray to, std::size_t /*to_at*/,
                         CUdeviceptr /*from*/, std::size_t /*bytes*/) {
  return copy_array("cuMemcpyDtoA_v2", to, nullptr);
}

CUresult cuMemcpyDtoA_v2_ptds(CUarray to, std::size_t /*to_at*/,
                              CUdeviceptr /*from*/, std::size_t /*bytes*/) {
  return copy_array("cuMemcpyDtoA_v2_ptds", to, nullptr);
}

CUresult cuMemcpyPeer(CUdeviceptr to, CUcontext to_context, CUdeviceptr from,
                      CUcontext from_context, std::size_t bytes) {
  return copy_between("cuMemcpyPeer", to, to_context, from, from_context, bytes,
                      nullptr);
}

CUresult cuMemcpyPeer_ptds(CUdeviceptr to, CUcontext to_context,
                           CUdeviceptr from, CUcontext from_context,
                           std::size_t bytes) {
  return copy_between("cuMemcpyPeer_ptds", to, to_context, from, from_context,
                      bytes, nullptr);
}

CUresult cuMemcpyPeerAsync(CUdeviceptr to, CUcontext to_context,
                           CUdeviceptr from, CUcontext from_context,
                           std::size_t bytes, CUstream stream) {
  return copy_between("cuMemcpyPeerAsync", to, to_context, from, from_context,
                      bytes, stream);
}

CUresult cuMemcpyPeerAsync_ptsz(CUdeviceptr to, CUcontext to_context,
                                CUdeviceptr from, CUcontext from_context,
                                std::size_t bytes, CUstream stream) {
  return copy_between("cuMemcpyPeerAsync_ptsz", to, to_context, from,
                      from_context, bytes, of_thread(stream));
}

CUresult cuMemcpyBatchAsync(CUdeviceptr* to, CUdeviceptr* from,
                            std::size_t* bytes, std::size_t count,
                            CUmemcpyAttributes* /*attributes*/,
                            std::size_t* /*attributes_from*/,
                            std::size_t /*attributes_count*/,
                            std::size_t* failed, CUstream stream) {
  return copy_batch("cuMemcpyBatchAsync", to, from, bytes, count, failed,
                    stream);
}

CUresult cuMemcpyBatchAsync_v2(CUdeviceptr* to, CUdeviceptr* from,
                               std::size_t* bytes, std::size_t count,
                               CUmemcpyAttributes* /*attributes*/,
                               std::size_t* /*attributes_from*/,
                               std::size_t /*attributes_count*/,
                               CUstream stream) {
  return copy_batch("cuMemcpyBatchAsync_v2", to, from, bytes, count, nullptr,
                    stream);
}

CUresult cuMemcpy3DBatchAsync(std::size_t count, CUDA_MEMCPY3D_BATCH_OP* copies,
                              std::size_t* /*failed*/,
                              unsigned long long /*flags*/, CUstream stream) {
  return count_copies("cuMemcpy3DBatchAsync", count != 0 && copies != nullptr,
                      stream);
}

CUresult cuMemcpy3DBatchAsync_v2(std::size_t count,
                                 CUDA_MEMCPY3D_BATCH_OP* copies,
                                 unsigned long long /*flags*/,
                                 CUstream stream) {
  return count_copies("cuMemcpy3DBatchAsync_v2",
                      count != 0 && copies != nullptr, stream);
}

CUresult cuMemcpyWithAttributesAsync(CUdeviceptr to, CUdeviceptr from,
                                     std::size_t bytes,
                                     CUmemcpyAttributes* /*attributes*/,
                                     CUstream stream) {
  return copy_batch("cuMemcpyWithAttributesAsync", &to, &from, &bytes, 1,
                    nullptr, stream);
}

CUresult cuMemcpy3DWithAttributesAsync(CUDA_MEMCPY3D_BATCH_OP* copy,
                                       unsigned long long /*flags*/,
                                       CUstream stream) {
  return count_copies("cuMemcpy3DWithAttributesAsync", copy != nullptr, stream);
}

CUresult cuMemcpyBatchAsync_ptsz(CUdeviceptr* to, CUdeviceptr* from,
                                 std::size_t* bytes, std::size_t count,
                                 CUmemcpyAttributes* /*attributes*/,
                                 std::size_t* /*attributes_from*/,
                                 std::size_t /*attributes_count*/,
                                 std::size_t* failed, CUstream stream) {
  return copy_batch("cuMemcpyBatchAsync_ptsz", to, from, bytes, count, failed,
                    of_thread(stream));
}

CUresult cuMemcpyBatchAsync_v2_ptsz(CUdeviceptr* to, CUdeviceptr* from,
                                    std::size_t* bytes, std::size_t count,
                                    CUmemcpyAttributes* /*attributes*/,
                                    std::size_t* /*attributes_from*/,
                                    std::size_t /*attributes_count*/,
                                    CUstream stream) {
  return copy_batch("cuMemcpyBatchAsync_v2_ptsz", to, from, bytes, count,
                    nullptr, of_thread(stream));
}

CUresult cuMemcpy3DBatchAsync_ptsz(std::size_t count,
                                   CUDA_MEMCPY3D_BATCH_OP* copies,
                                   std::size_t* /*failed*/,
                                   unsigned long long /*flags*/,
                                   CUstream stream) {
  return count_copies("cuMemcpy3DBatchAsync_ptsz",
                      count != 0 && copies != nullptr, of_thread(stream));
}

CUresult cuMemcpy3DBatchAsync_v2_ptsz(std::size_t count,
                                      CUDA_MEMCPY3D_BATCH_OP* copies,
                                      unsigned long long /*flags*/,
                                      CUstream stream) {
  return count_copies("cuMemcpy3DBatchAsync_v2_ptsz",
                      count != 0 && copies != nullptr, of_thread(stream));
}

CUresult cuMemcpyWithAttributesAsync_ptsz(CUdeviceptr to, CUdeviceptr from,
                                          std::size_t bytes,
                                          CUmemcpyAttributes* /*attributes*/,
                                          CUstream stream) {
  return copy_batch("cuMemcpyWithAttributesAsync_ptsz", &to, &from, &bytes, 1,
                    nullptr, of_thread(stream));
}

CUresult cuMemcpy3DWithAttributesAsync_ptsz(CUDA_MEMCPY3D_BATCH_OP* copy,
                                            unsigned long long /*flags*/,
                                            CUstream stream) {
  return count_copies("cuMemcpy3DWithAttributesAsync_ptsz", copy != nullptr,
                      of_thread(stream));
}

}  // namespace gpunode::abi
