// Copies of rows, of arrays, between contexts and in batches. One within a
// Device waits for the container's turn, and one whose description does not say
// what it is from or to. One that is from or to the host by its description is
// left alone, and one from one Device to another: that keeps both, and who has
// a turn on the one may have none on the other. What plainly goes to the host
// is here since programs hear of failed kernels by it.
#include "share/intercept/account.h"
#include "share/intercept/contexts.h"
#include "share/intercept/driver.h"
#include "share/intercept/given_work.h"

namespace gpunode::abi {

using share::driver;
using share::Null;
using share::real_of;
using share::stream_of;
using share::work;
using share::work_now;

namespace {

template <typename Copy>
bool is_of_host(const Copy& copy) {
  return copy.srcMemoryType == CU_MEMORYTYPE_HOST ||
         copy.dstMemoryType == CU_MEMORYTYPE_HOST;
}

/// Both contexts are of the Device of the current one. In doubt they are not;
/// nor where nobody takes turns, and it is all the same.
bool is_here(CUcontext to, CUcontext from) {
  if (!share::account().may_take_turns()) return false;
  auto* const current = share::current_context();
  if (current == nullptr || to == nullptr || from == nullptr) return false;
  if (to == current && from == current) return true;
  CUdevice device = 0;
  if (!share::device_of(current, &device)) return false;
  const auto is_there = [&](CUcontext context) {
    CUdevice other = 0;
    return share::device_of(context, &other) && other == device;
  };
  return is_there(to) && is_there(from);
}

template <typename Copy>
bool takes_turns(const Copy* copy) {
  // Without one the driver has words of its own.
  return copy != nullptr && !is_of_host(*copy);
}

bool takes_turns(const CUDA_MEMCPY3D_PEER* copy) {
  return copy != nullptr && !is_of_host(*copy) &&
         is_here(copy->dstContext, copy->srcContext);
}

/// `function` of the driver with `words`, which go to the Device as they are.
template <typename Function, typename... Words>
CUresult pass_by(const std::atomic<Function>& function, Words... words) {
  const auto ask = real_of(function);
  return ask == nullptr ? CUDA_ERROR_NOT_INITIALIZED
                        : share::noted(ask(words...));
}

/// By description, done when the call returns.
template <typename Function, typename Copy>
CUresult copy_now(const std::atomic<Function>& function, Null null,
                  const Copy* copy) {
  return takes_turns(copy) ? work_now(function, stream_of(nullptr, null), copy)
                           : pass_by(function, copy);
}

template <typename Function, typename Copy>
CUresult copy_later(const std::atomic<Function>& function, Null null,
                    const Copy* copy, CUstream stream) {
  return takes_turns(copy)
             ? work(function, stream_of(stream, null), copy, stream)
             : pass_by(function, copy, stream);
}

}  // namespace

GPUNODE_EXPORT CUresult cuMemcpyDtoH_v2(void* to, CUdeviceptr from,
                                        std::size_t bytes) {
  return pass_by(driver().cuMemcpyDtoH_v2, to, from, bytes);
}

GPUNODE_EXPORT CUresult cuMemcpyDtoH_v2_ptds(void* to, CUdeviceptr from,
                                             std::size_t bytes) {
  return pass_by(driver().cuMemcpyDtoH_v2_ptds, to, from, bytes);
}

GPUNODE_EXPORT CUresult cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from,
                                             std::size_t bytes,
                                             CUstream stream) {
  return pass_by(driver().cuMemcpyDtoHAsync_v2, to, from, bytes, stream);
}

GPUNODE_EXPORT CUresult cuMemcpyDtoHAsync_v2_ptsz(void* to, CUdeviceptr from,
                                                  std::size_t bytes,
                                                  CUstream stream) {
  return pass_by(driver().cuMemcpyDtoHAsync_v2_ptsz, to, from, bytes, stream);
}

GPUNODE_EXPORT CUresult cuMemcpyAtoA_v2(CUarray to, std::size_t to_at,
                                        CUarray from, std::size_t from_at,
                                        std::size_t bytes) {
  return work_now(driver().cuMemcpyAtoA_v2, nullptr, to, to_at, from, from_at,
                  bytes);
}

GPUNODE_EXPORT CUresult cuMemcpyAtoA_v2_ptds(CUarray to, std::size_t to_at,
                                             CUarray from, std::size_t from_at,
                                             std::size_t bytes) {
  return work_now(driver().cuMemcpyAtoA_v2_ptds,
                  stream_of(nullptr, Null::kOfThread), to, to_at, from, from_at,
                  bytes);
}

GPUNODE_EXPORT CUresult cuMemcpyAtoD_v2(CUdeviceptr to, CUarray from,
                                        std::size_t from_at,
                                        std::size_t bytes) {
  return work_now(driver().cuMemcpyAtoD_v2, nullptr, to, from, from_at, bytes);
}

GPUNODE_EXPORT CUresult cuMemcpyAtoD_v2_ptds(CUdeviceptr to, CUarray from,
                                             std::size_t from_at,
                                             std::size_t bytes) {
  return work_now(driver().cuMemcpyAtoD_v2_ptds,
                  stream_of(nullptr, Null::kOfThread), to, from, from_at,
                  bytes);
}

GPUNODE_EXPORT CUresult cuMemcpyDtoA_v2(CUarray to, std::size_t to_at,
                                        CUdeviceptr from, std::size_t bytes) {
  return work_now(driver().cuMemcpyDtoA_v2, nullptr, to, to_at, from, bytes);
}

GPUNODE_EXPORT CUresult cuMemcpyDtoA_v2_ptds(CUarray to, std::size_t to_at,
                                             CUdeviceptr from,
                                             std::size_t bytes) {
  return work_now(driver().cuMemcpyDtoA_v2_ptds,
                  stream_of(nullptr, Null::kOfThread), to, to_at, from, bytes);
}

GPUNODE_EXPORT CUresult cuMemcpy2D_v2(const CUDA_MEMCPY2D* copy) {
  return copy_now(driver().cuMemcpy2D_v2, Null::kLegacy, copy);
}

GPUNODE_EXPORT CUresult cuMemcpy2D_v2_ptds(const CUDA_MEMCPY2D* copy) {
  return copy_now(driver().cuMemcpy2D_v2_ptds, Null::kOfThread, copy);
}

GPUNODE_EXPORT CUresult cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D* copy,
                                           CUstream stream) {
  return copy_later(driver().cuMemcpy2DAsync_v2, Null::kLegacy, copy, stream);
}

GPUNODE_EXPORT CUresult cuMemcpy2DAsync_v2_ptsz(const CUDA_MEMCPY2D* copy,
                                                CUstream stream) {
  return copy_later(driver().cuMemcpy2DAsync_v2_ptsz, Null::kOfThread, copy,
                    stream);
}

GPUNODE_EXPORT CUresult cuMemcpy2DUnaligned_v2(const CUDA_MEMCPY2D* copy) {
  return copy_now(driver().cuMemcpy2DUnaligned_v2, Null::kLegacy, copy);
}

GPUNODE_EXPORT CUresult cuMemcpy2DUnaligned_v2_ptds(const CUDA_MEMCPY2D* copy) {
  return copy_now(driver().cuMemcpy2DUnaligned_v2_ptds, Null::kOfThread, copy);
}

GPUNODE_EXPORT CUresult cuMemcpy3D_v2(const CUDA_MEMCPY3D* copy) {
  return copy_now(driver().cuMemcpy3D_v2, Null::kLegacy, copy);
}

GPUNODE_EXPORT CUresult cuMemcpy3D_v2_ptds(const CUDA_MEMCPY3D* copy) {
  return copy_now(driver().cuMemcpy3D_v2_ptds, Null::kOfThread, copy);
}

GPUNODE_EXPORT CUresult cuMemcpy3DAsync_v2(const CUDA_MEMCPY3D* copy,
                                           CUstream stream) {
  return copy_later(driver().cuMemcpy3DAsync_v2, Null::kLegacy, copy, stream);
}

GPUNODE_EXPORT CUresult cuMemcpy3DAsync_v2_ptsz(const CUDA_MEMCPY3D* copy,
                                                CUstream stream) {
  return copy_later(driver().cuMemcpy3DAsync_v2_ptsz, Null::kOfThread, copy,
                    stream);
}

GPUNODE_EXPORT CUresult cuMemcpy3DPeer(const CUDA_MEMCPY3D_PEER* copy) {
  return copy_now(driver().cuMemcpy3DPeer, Null::kLegacy, copy);
}

GPUNODE_EXPORT CUresult cuMemcpy3DPeer_ptds(const CUDA_MEMCPY3D_PEER* copy) {
  return copy_now(driver().cuMemcpy3DPeer_ptds, Null::kOfThread, copy);
}

GPUNODE_EXPORT CUresult cuMemcpy3DPeerAsync(const CUDA_MEMCPY3D_PEER* copy,
                                            CUstream stream) {
  return copy_later(driver().cuMemcpy3DPeerAsync, Null::kLegacy, copy, stream);
}

GPUNODE_EXPORT CUresult cuMemcpy3DPeerAsync_ptsz(const CUDA_MEMCPY3D_PEER* copy,
                                                 CUstream stream) {
  return copy_later(driver().cuMemcpy3DPeerAsync_ptsz, Null::kOfThread, copy,
                    stream);
}

GPUNODE_EXPORT CUresult cuMemcpyPeer(CUdeviceptr to, CUcontext to_context,
                                     CUdeviceptr from, CUcontext from_context,
                                     std::size_t bytes) {
  return is_here(to_context, from_context)
             ? work_now(driver().cuMemcpyPeer, nullptr, to, to_context, from,
                        from_context, bytes)
             : pass_by(driver().cuMemcpyPeer, to, to_context, from,
                       from_context, bytes);
}

GPUNODE_EXPORT CUresult cuMemcpyPeer_ptds(CUdeviceptr to, CUcontext to_context,
                                          CUdeviceptr from,
                                          CUcontext from_context,
                                          std::size_t bytes) {
  return is_here(to_context, from_context)
             ? work_now(driver().cuMemcpyPeer_ptds,
                        stream_of(nullptr, Null::kOfThread), to, to_context,
                        from, from_context, bytes)
             : pass_by(driver().cuMemcpyPeer_ptds, to, to_context, from,
                       from_context, bytes);
}

GPUNODE_EXPORT CUresult cuMemcpyPeerAsync(CUdeviceptr to, CUcontext to_context,
                                          CUdeviceptr from,
                                          CUcontext from_context,
                                          std::size_t bytes, CUstream stream) {
  return is_here(to_context, from_context)
             ? work(driver().cuMemcpyPeerAsync,
                    stream_of(stream, Null::kLegacy), to, to_context, from,
                    from_context, bytes, stream)
             : pass_by(driver().cuMemcpyPeerAsync, to, to_context, from,
                       from_context, bytes, stream);
}

GPUNODE_EXPORT CUresult cuMemcpyPeerAsync_ptsz(
    CUdeviceptr to, CUcontext to_context, CUdeviceptr from,
    CUcontext from_context, std::size_t bytes, CUstream stream) {
  return is_here(to_context, from_context)
             ? work(driver().cuMemcpyPeerAsync_ptsz,
                    stream_of(stream, Null::kOfThread), to, to_context, from,
                    from_context, bytes, stream)
             : pass_by(driver().cuMemcpyPeerAsync_ptsz, to, to_context, from,
                       from_context, bytes, stream);
}

GPUNODE_EXPORT CUresult cuMemcpyBatchAsync(
    CUdeviceptr* to, CUdeviceptr* from, std::size_t* bytes, std::size_t count,
    CUmemcpyAttributes* attributes, std::size_t* attributes_from,
    std::size_t attributes_count, std::size_t* failed, CUstream stream) {
  return work(driver().cuMemcpyBatchAsync, stream_of(stream, Null::kLegacy), to,
              from, bytes, count, attributes, attributes_from, attributes_count,
              failed, stream);
}

GPUNODE_EXPORT CUresult cuMemcpyBatchAsync_ptsz(
    CUdeviceptr* to, CUdeviceptr* from, std::size_t* bytes, std::size_t count,
    CUmemcpyAttributes* attributes, std::size_t* attributes_from,
    std::size_t attributes_count, std::size_t* failed, CUstream stream) {
  return work(driver().cuMemcpyBatchAsync_ptsz,
              stream_of(stream, Null::kOfThread), to, from, bytes, count,
              attributes, attributes_from, attributes_count, failed, stream);
}

GPUNODE_EXPORT CUresult cuMemcpyBatchAsync_v2(
    CUdeviceptr* to, CUdeviceptr* from, std::size_t* bytes, std::size_t count,
    CUmemcpyAttributes* attributes, std::size_t* attributes_from,
    std::size_t attributes_count, CUstream stream) {
  return work(driver().cuMemcpyBatchAsync_v2, stream_of(stream, Null::kLegacy),
              to, from, bytes, count, attributes, attributes_from,
              attributes_count, stream);
}

GPUNODE_EXPORT CUresult cuMemcpyBatchAsync_v2_ptsz(
    CUdeviceptr* to, CUdeviceptr* from, std::size_t* bytes, std::size_t count,
    CUmemcpyAttributes* attributes, std::size_t* attributes_from,
    std::size_t attributes_count, CUstream stream) {
  return work(driver().cuMemcpyBatchAsync_v2_ptsz,
              stream_of(stream, Null::kOfThread), to, from, bytes, count,
              attributes, attributes_from, attributes_count, stream);
}

GPUNODE_EXPORT CUresult cuMemcpy3DBatchAsync(std::size_t count,
                                             CUDA_MEMCPY3D_BATCH_OP* copies,
                                             std::size_t* failed,
                                             unsigned long long flags,
                                             CUstream stream) {
  return work(driver().cuMemcpy3DBatchAsync, stream_of(stream, Null::kLegacy),
              count, copies, failed, flags, stream);
}

GPUNODE_EXPORT CUresult cuMemcpy3DBatchAsync_ptsz(
    std::size_t count, CUDA_MEMCPY3D_BATCH_OP* copies, std::size_t* failed,
    unsigned long long flags, CUstream stream) {
  return work(driver().cuMemcpy3DBatchAsync_ptsz,
              stream_of(stream, Null::kOfThread), count, copies, failed, flags,
              stream);
}

GPUNODE_EXPORT CUresult cuMemcpy3DBatchAsync_v2(std::size_t count,
                                                CUDA_MEMCPY3D_BATCH_OP* copies,
                                                unsigned long long flags,
                                                CUstream stream) {
  return work(driver().cuMemcpy3DBatchAsync_v2,
              stream_of(stream, Null::kLegacy), count, copies, flags, stream);
}

GPUNODE_EXPORT CUresult
cuMemcpy3DBatchAsync_v2_ptsz(std::size_t count, CUDA_MEMCPY3D_BATCH_OP* copies,
                             unsigned long long flags, CUstream stream) {
  return work(driver().cuMemcpy3DBatchAsync_v2_ptsz,
              stream_of(stream, Null::kOfThread), count, copies, flags, stream);
}

GPUNODE_EXPORT CUresult
cuMemcpyWithAttributesAsync(CUdeviceptr to, CUdeviceptr from, std::size_t bytes,
                            CUmemcpyAttributes* attributes, CUstream stream) {
  return work(driver().cuMemcpyWithAttributesAsync,
              stream_of(stream, Null::kLegacy), to, from, bytes, attributes,
              stream);
}

GPUNODE_EXPORT CUresult cuMemcpyWithAttributesAsync_ptsz(
    CUdeviceptr to, CUdeviceptr from, std::size_t bytes,
    CUmemcpyAttributes* attributes, CUstream stream) {
  return work(driver().cuMemcpyWithAttributesAsync_ptsz,
              stream_of(stream, Null::kOfThread), to, from, bytes, attributes,
              stream);
}

GPUNODE_EXPORT CUresult cuMemcpy3DWithAttributesAsync(
    CUDA_MEMCPY3D_BATCH_OP* copy, unsigned long long flags, CUstream stream) {
  return work(driver().cuMemcpy3DWithAttributesAsync,
              stream_of(stream, Null::kLegacy), copy, flags, stream);
}

GPUNODE_EXPORT CUresult cuMemcpy3DWithAttributesAsync_ptsz(
    CUDA_MEMCPY3D_BATCH_OP* copy, unsigned long long flags, CUstream stream) {
  return work(driver().cuMemcpy3DWithAttributesAsync_ptsz,
              stream_of(stream, Null::kOfThread), copy, flags, stream);
}

}  // namespace gpunode::abi
