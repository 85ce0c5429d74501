// Memory that others made, as it is opened and closed here.
#include "gpu/abi/cuda_memory.h"
#include "share/intercept/imports.h"
#include "share/intercept/real.h"

namespace gpunode::abi {

using share::Bound;
using share::driver;
using share::real_of;

namespace {

template <typename Ask>
CUresult open(Ask ask, CUdeviceptr* address, const CUipcMemHandle& handle,
              unsigned flags) {
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  const CUresult result = ask(address, handle, flags);
  if (result == CUDA_SUCCESS) {
    share::note_import_at(*address, Bound::kToContext);
  }
  return result;
}

template <typename Ask>
CUresult close(std::uint64_t key, Ask ask) {
  const share::ImportClosing closing(key);
  const CUresult result = ask();
  closing.end(result == CUDA_SUCCESS);
  return result;
}

std::uint64_t key_of(CUexternalMemory memory) {
  return reinterpret_cast<std::uint64_t>(memory);
}

}  // namespace

GPUNODE_EXPORT CUresult cuIpcOpenMemHandle(CUdeviceptr* address,
                                           CUipcMemHandle handle,
                                           unsigned flags) {
  return open(real_of(driver().cuIpcOpenMemHandle), address, handle, flags);
}

GPUNODE_EXPORT CUresult cuIpcOpenMemHandle_v2(CUdeviceptr* address,
                                              CUipcMemHandle handle,
                                              unsigned flags) {
  return open(real_of(driver().cuIpcOpenMemHandle_v2), address, handle, flags);
}

GPUNODE_EXPORT CUresult cuIpcCloseMemHandle(CUdeviceptr address) {
  const auto ask = real_of(driver().cuIpcCloseMemHandle);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  return close(address, [&] { return ask(address); });
}

GPUNODE_EXPORT CUresult cuImportExternalMemory(
    CUexternalMemory* memory, const CUDA_EXTERNAL_MEMORY_HANDLE_DESC* from) {
  const auto ask = real_of(driver().cuImportExternalMemory);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  const CUresult result = ask(memory, from);
  if (result == CUDA_SUCCESS) {
    share::note_import(key_of(*memory), from->size, Bound::kToContext);
  }
  return result;
}

GPUNODE_EXPORT CUresult cuDestroyExternalMemory(CUexternalMemory memory) {
  const auto ask = real_of(driver().cuDestroyExternalMemory);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  return close(key_of(memory), [&] { return ask(memory); });
}

// Closed as memory of a pool is freed.
GPUNODE_EXPORT CUresult cuMemPoolImportPointer(CUdeviceptr* address,
                                               CUmemoryPool pool,
                                               CUmemPoolPtrExportData* data) {
  const auto ask = real_of(driver().cuMemPoolImportPointer);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  const CUresult result = ask(address, pool, data);
  if (result == CUDA_SUCCESS) {
    share::note_import_at(*address, Bound::kToNone);
  }
  return result;
}

}  // namespace gpunode::abi
