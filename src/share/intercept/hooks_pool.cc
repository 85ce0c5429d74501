// Stream-ordered memory, in the two forms of each call: those that end in _ptsz
// take the null stream for the thread's own.
#include "share/intercept/passage.h"
#include "share/intercept/pool.h"
#include "share/intercept/taking.h"

namespace gpunode::abi {

using share::account;
using share::Awaited;
using share::driver;
using share::Null;
using share::real_of;

namespace {

bool is_capturing(CUstream stream, Null null) {
  return share::is_capturing(share::stream_of(stream, null));
}

/// `ask` takes of `pool` for `stream`; `take_back` frees it there.
template <typename Ask, typename Free>
CUresult take_of_pool(CUmemoryPool pool, CUdeviceptr* address,
                      std::size_t bytes, CUstream stream, Null null, Ask ask,
                      Free take_back) {
  share::PoolTaking taking;
  if (!taking.begin(pool, bytes)) {
    // What is captured takes its memory when the graph is launched.
    return is_capturing(stream, null) ? ask() : CUDA_ERROR_OUT_OF_MEMORY;
  }
  const CUresult result = ask();
  if (taking.end(result == CUDA_SUCCESS ? *address : 0)) return result;
  if (take_back != nullptr) take_back(*address, stream);
  taking.take_back();
  *address = 0;
  return CUDA_ERROR_OUT_OF_MEMORY;
}

template <typename Ask, typename Free>
CUresult take_async(Ask ask, Free take_back, CUdeviceptr* address,
                    std::size_t bytes, CUstream stream, Null null) {
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  const auto really = [&] { return ask(address, bytes, stream); };
  // The driver has words of its own for these.
  if (address == nullptr || bytes == 0 || !account().is_limited()) {
    return really();
  }
  const CUmemoryPool pool = share::pool_of(stream);
  if (pool == nullptr) return really();
  return take_of_pool(pool, address, bytes, stream, null, really, take_back);
}

template <typename Ask, typename Free>
CUresult take_from_pool(Ask ask, Free take_back, CUdeviceptr* address,
                        std::size_t bytes, CUmemoryPool pool, CUstream stream,
                        Null null) {
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  const auto really = [&] { return ask(address, bytes, pool, stream); };
  if (address == nullptr || bytes == 0 || pool == nullptr ||
      !account().is_limited()) {
    return really();
  }
  return take_of_pool(pool, address, bytes, stream, null, really, take_back);
}

template <typename Ask>
CUresult free_async(Ask ask, CUdeviceptr address, CUstream stream) {
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  // It may be memory of cuMemAlloc.
  return share::give_any(address, [&] { return ask(address, stream); });
}

template <typename Ask>
CUresult wait(Ask ask) {
  const CUresult result = share::noted(ask());
  if (account().is_limited()) share::settle_pools_after_waiting();
  return result;
}

/// For all work of the stream, or of the context.
template <typename Ask>
CUresult wait_for_all(Awaited::All all, CUstream stream, Ask ask) {
  Awaited awaited(all, stream);
  const CUresult result = wait(ask);
  if (result == CUDA_SUCCESS) awaited.end();
  return result;
}

}  // namespace

GPUNODE_EXPORT CUresult cuMemAllocAsync(CUdeviceptr* address, std::size_t bytes,
                                        CUstream stream) {
  return take_async(real_of(driver().cuMemAllocAsync),
                    real_of(driver().cuMemFreeAsync), address, bytes, stream,
                    Null::kLegacy);
}

GPUNODE_EXPORT CUresult cuMemAllocAsync_ptsz(CUdeviceptr* address,
                                             std::size_t bytes,
                                             CUstream stream) {
  return take_async(real_of(driver().cuMemAllocAsync_ptsz),
                    real_of(driver().cuMemFreeAsync_ptsz), address, bytes,
                    stream, Null::kOfThread);
}

GPUNODE_EXPORT CUresult cuMemAllocFromPoolAsync(CUdeviceptr* address,
                                                std::size_t bytes,
                                                CUmemoryPool pool,
                                                CUstream stream) {
  return take_from_pool(real_of(driver().cuMemAllocFromPoolAsync),
                        real_of(driver().cuMemFreeAsync), address, bytes, pool,
                        stream, Null::kLegacy);
}

GPUNODE_EXPORT CUresult cuMemAllocFromPoolAsync_ptsz(CUdeviceptr* address,
                                                     std::size_t bytes,
                                                     CUmemoryPool pool,
                                                     CUstream stream) {
  return take_from_pool(real_of(driver().cuMemAllocFromPoolAsync_ptsz),
                        real_of(driver().cuMemFreeAsync_ptsz), address, bytes,
                        pool, stream, Null::kOfThread);
}

GPUNODE_EXPORT CUresult cuMemFreeAsync(CUdeviceptr address, CUstream stream) {
  return free_async(real_of(driver().cuMemFreeAsync), address, stream);
}

GPUNODE_EXPORT CUresult cuMemFreeAsync_ptsz(CUdeviceptr address,
                                            CUstream stream) {
  return free_async(real_of(driver().cuMemFreeAsync_ptsz), address, stream);
}

GPUNODE_EXPORT CUresult cuMemPoolCreate(CUmemoryPool* pool,
                                        const CUmemPoolProps* properties) {
  const auto ask = real_of(driver().cuMemPoolCreate);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  const CUresult result = ask(pool, properties);
  if (result == CUDA_SUCCESS && account().is_limited() &&
      properties->location.type == CU_MEM_LOCATION_TYPE_DEVICE) {
    share::note_pool_made(*pool, properties->location.id);
  }
  return result;
}

GPUNODE_EXPORT CUresult cuMemPoolDestroy(CUmemoryPool pool) {
  const auto ask = real_of(driver().cuMemPoolDestroy);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  return account().is_limited() ? share::destroy_pool(pool) : ask(pool);
}

GPUNODE_EXPORT CUresult cuMemPoolTrimTo(CUmemoryPool pool, std::size_t bytes) {
  const auto ask = real_of(driver().cuMemPoolTrimTo);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  const CUresult result = ask(pool, bytes);
  if (account().is_limited()) share::settle_pools();
  return result;
}

// After these the driver has returned what pools had free.

GPUNODE_EXPORT CUresult cuStreamSynchronize(CUstream stream) {
  const auto ask = real_of(driver().cuStreamSynchronize);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  return wait_for_all(Awaited::All::kStream,
                      share::stream_of(stream, Null::kLegacy),
                      [&] { return ask(stream); });
}

GPUNODE_EXPORT CUresult cuStreamSynchronize_ptsz(CUstream stream) {
  const auto ask = real_of(driver().cuStreamSynchronize_ptsz);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  return wait_for_all(Awaited::All::kStream,
                      share::stream_of(stream, Null::kOfThread),
                      [&] { return ask(stream); });
}

GPUNODE_EXPORT CUresult cuCtxSynchronize() {
  const auto ask = real_of(driver().cuCtxSynchronize);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  return wait_for_all(Awaited::All::kContext, nullptr, ask);
}

GPUNODE_EXPORT CUresult cuEventSynchronize(CUevent event) {
  const auto ask = real_of(driver().cuEventSynchronize);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  return wait([&] { return ask(event); });
}

}  // namespace gpunode::abi
