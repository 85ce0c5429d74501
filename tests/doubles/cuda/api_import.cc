// Memory of other processes and of other APIs. What is opened has an address
// and a size, and takes nothing of the device: who made it has paid.
#include <unistd.h>

#include <bit>
#include <cstring>

#include "gpu/abi/cuda_memory.h"
#include "tests/doubles/cuda/runtime.h"
#include "tests/doubles/cuda/shared_memory.h"

namespace gpunode::abi {

using fake_cuda::Allocation;
using fake_cuda::Context;
using fake_cuda::enter_context;
using fake_cuda::enter_initialised;
using fake_cuda::Runtime;
using fake_cuda::SharedMemory;

namespace {

/// Handles of 64 bytes.
template <typename Handle>
SharedMemory shared_of(const Handle& handle) {
  static_assert(sizeof(handle) >= sizeof(SharedMemory));
  SharedMemory shared = {};
  std::memcpy(&shared, &handle, sizeof(shared));
  return shared;
}

template <typename Handle>
CUresult tell(Runtime& runtime, CUdeviceptr address, Handle* handle) {
  const Allocation* found = runtime.memory.find(address, 1);
  if (handle == nullptr || found == nullptr) return CUDA_ERROR_INVALID_VALUE;
  const SharedMemory shared = {::getpid(), found->address, found->bytes,
                               found->device};
  *handle = {};
  std::memcpy(handle, &shared, sizeof(shared));
  return CUDA_SUCCESS;
}

/// An address of its own, as if of a pool: which has taken what it has.
CUresult make(Runtime& runtime, const Context& context, std::uint64_t bytes,
              CUdeviceptr* address) {
  if (address == nullptr || bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  const Allocation* made = runtime.memory.allocate(
      {bytes, Allocation::Kind::kDevice, &context, context.device, true});
  if (made == nullptr) return CUDA_ERROR_OUT_OF_MEMORY;
  *address = made->address;
  return CUDA_SUCCESS;
}

CUresult open(const char* call, CUdeviceptr* address,
              const CUipcMemHandle& handle, unsigned flags) {
  return enter_context(call, [&](Runtime& runtime, Context& context) {
    constexpr unsigned kLazyPeers = 1;
    if (flags != kLazyPeers) return CUDA_ERROR_INVALID_VALUE;
    const SharedMemory shared = shared_of(handle);
    for (auto& [opened, import] : runtime.imports) {
      if (import.pid != shared.pid || import.key != shared.key) continue;
      ++import.opens;
      *address = opened;
      return CUDA_SUCCESS;
    }
    const CUresult result = make(runtime, context, shared.bytes, address);
    if (result == CUDA_SUCCESS) {
      runtime.imports[*address] = {shared.pid, shared.key, 1};
    }
    return result;
  });
}

}  // namespace

CUresult cuIpcGetMemHandle(CUipcMemHandle* handle, CUdeviceptr address) {
  return enter_context("cuIpcGetMemHandle", [&](Runtime& runtime, Context&) {
    return tell(runtime, address, handle);
  });
}

CUresult cuIpcOpenMemHandle(CUdeviceptr* address, CUipcMemHandle handle,
                            unsigned flags) {
  return open("cuIpcOpenMemHandle", address, handle, flags);
}

CUresult cuIpcOpenMemHandle_v2(CUdeviceptr* address, CUipcMemHandle handle,
                               unsigned flags) {
  return open("cuIpcOpenMemHandle_v2", address, handle, flags);
}

CUresult cuIpcCloseMemHandle(CUdeviceptr address) {
  return enter_context("cuIpcCloseMemHandle", [&](Runtime& runtime, Context&) {
    const auto found = runtime.imports.find(address);
    if (found == runtime.imports.end()) return CUDA_ERROR_INVALID_VALUE;
    if (--found->second.opens != 0) return CUDA_SUCCESS;
    runtime.imports.erase(found);
    runtime.memory.release(address);
    return CUDA_SUCCESS;
  });
}

CUresult cuImportExternalMemory(CUexternalMemory* memory,
                                const CUDA_EXTERNAL_MEMORY_HANDLE_DESC* from) {
  return enter_context(
      "cuImportExternalMemory", [&](Runtime& runtime, Context& context) {
        if (memory == nullptr || from == nullptr ||
            from->type != CU_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD) {
          return CUDA_ERROR_INVALID_VALUE;
        }
        CUdeviceptr address = 0;
        const CUresult result = make(runtime, context, from->size, &address);
        if (result == CUDA_SUCCESS) {
          *memory = std::bit_cast<CUexternalMemory>(address);
        }
        return result;
      });
}

CUresult cuDestroyExternalMemory(CUexternalMemory memory) {
  return enter_context(
      "cuDestroyExternalMemory", [&](Runtime& runtime, Context&) {
        return runtime.memory.release(std::bit_cast<CUdeviceptr>(memory))
                   ? CUDA_SUCCESS
                   : CUDA_ERROR_INVALID_HANDLE;
      });
}

CUresult cuMemPoolExportPointer(CUmemPoolPtrExportData* data,
                                CUdeviceptr address) {
  return enter_initialised("cuMemPoolExportPointer", [&](Runtime& runtime) {
    return tell(runtime, address, data);
  });
}

CUresult cuMemPoolImportPointer(CUdeviceptr* address, CUmemoryPool pool,
                                CUmemPoolPtrExportData* data) {
  return enter_context(
      "cuMemPoolImportPointer", [&](Runtime& runtime, Context& context) {
        if (data == nullptr || runtime.find_pool(pool) == nullptr) {
          return CUDA_ERROR_INVALID_VALUE;
        }
        return make(runtime, context, shared_of(*data).bytes, address);
      });
}

}  // namespace gpunode::abi
