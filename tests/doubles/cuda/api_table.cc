// cuGetProcAddress: the driver's own way to its calls.
#include <algorithm>
#include <array>
#include <string_view>

#include "gpu/abi/cuda_copy.h"
#include "gpu/abi/cuda_memory.h"
#include "gpu/abi/cuda_work.h"
#include "tests/doubles/cuda/runtime.h"

namespace gpunode::abi {

using fake_cuda::enter;
using fake_cuda::Runtime;

namespace {

/// A call under its plain name, and the CUDA version that brought this form.
struct Entry {
  std::string_view name;
  int version = 0;
  void* function = nullptr;
};

template <class Function>
void* address_of(Function* function) {
  return reinterpret_cast<void*>(function);
}

// NOLINTBEGIN(bugprone-macro-parentheses): `name` is pasted and quoted.
#define GPUNODE_CUDA_PLAIN(name, version) \
  Entry {                                 \
#name, version, address_of(&name)     \
  }
#define GPUNODE_CUDA_V2(name, version)     \
  Entry {                                  \
#name, version, address_of(&name##_v2) \
  }
// NOLINTEND(bugprone-macro-parentheses)

const auto& entries() {
  static const std::array all = {
      GPUNODE_CUDA_PLAIN(cuInit, 2000),
      GPUNODE_CUDA_PLAIN(cuDriverGetVersion, 2020),
      GPUNODE_CUDA_PLAIN(cuGetErrorName, 6000),
      GPUNODE_CUDA_PLAIN(cuGetErrorString, 6000),
      GPUNODE_CUDA_V2(cuGetProcAddress, 12000),
      GPUNODE_CUDA_PLAIN(cuGetProcAddress, 11030),
      GPUNODE_CUDA_PLAIN(cuGetExportTable, 3000),
      GPUNODE_CUDA_PLAIN(cuDeviceGetCount, 2000),
      GPUNODE_CUDA_PLAIN(cuDeviceGet, 2000),
      GPUNODE_CUDA_PLAIN(cuDeviceGetName, 2000),
      GPUNODE_CUDA_V2(cuDeviceGetUuid, 11040),
      GPUNODE_CUDA_PLAIN(cuDeviceGetUuid, 9020),
      GPUNODE_CUDA_V2(cuDeviceTotalMem, 3020),
      GPUNODE_CUDA_PLAIN(cuDeviceGetAttribute, 2000),
      GPUNODE_CUDA_PLAIN(cuDeviceComputeCapability, 2000),
      GPUNODE_CUDA_PLAIN(cuDeviceGetPCIBusId, 4010),
      GPUNODE_CUDA_PLAIN(cuDeviceGetByPCIBusId, 4010),
      Entry{"cuCtxCreate", 12050, address_of(&cuCtxCreate_v4)},
      Entry{"cuCtxCreate", 11040, address_of(&cuCtxCreate_v3)},
      GPUNODE_CUDA_V2(cuCtxCreate, 3020),
      GPUNODE_CUDA_PLAIN(cuCtxSetLimit, 3010),
      GPUNODE_CUDA_PLAIN(cuCtxGetLimit, 3010),
      GPUNODE_CUDA_V2(cuCtxDestroy, 4000),
      GPUNODE_CUDA_PLAIN(cuCtxDestroy, 2000),
      GPUNODE_CUDA_PLAIN(cuCtxAttach, 2000),
      GPUNODE_CUDA_PLAIN(cuCtxDetach, 2000),
      GPUNODE_CUDA_PLAIN(cuCtxSetCurrent, 4000),
      GPUNODE_CUDA_PLAIN(cuCtxGetCurrent, 4000),
      GPUNODE_CUDA_V2(cuCtxPushCurrent, 4000),
      GPUNODE_CUDA_V2(cuCtxPopCurrent, 4000),
      GPUNODE_CUDA_PLAIN(cuCtxGetDevice, 2000),
      GPUNODE_CUDA_PLAIN(cuCtxGetApiVersion, 3020),
      GPUNODE_CUDA_PLAIN(cuCtxSynchronize, 2000),
      GPUNODE_CUDA_PLAIN(cuDevicePrimaryCtxRetain, 7000),
      GPUNODE_CUDA_V2(cuDevicePrimaryCtxRelease, 11000),
      GPUNODE_CUDA_PLAIN(cuDevicePrimaryCtxRelease, 7000),
      GPUNODE_CUDA_V2(cuDevicePrimaryCtxReset, 11000),
      GPUNODE_CUDA_PLAIN(cuDevicePrimaryCtxReset, 7000),
      GPUNODE_CUDA_PLAIN(cuDevicePrimaryCtxGetState, 7000),
      GPUNODE_CUDA_V2(cuMemGetInfo, 3020),
      GPUNODE_CUDA_V2(cuMemAlloc, 3020),
      GPUNODE_CUDA_V2(cuMemAllocPitch, 3020),
      GPUNODE_CUDA_PLAIN(cuMemAllocManaged, 6000),
      GPUNODE_CUDA_V2(cuMemFree, 3020),
      GPUNODE_CUDA_V2(cuMemAllocHost, 3020),
      GPUNODE_CUDA_PLAIN(cuMemHostAlloc, 2020),
      GPUNODE_CUDA_PLAIN(cuMemFreeHost, 2000),
      GPUNODE_CUDA_PLAIN(cuMemAllocAsync, 11020),
      GPUNODE_CUDA_PLAIN(cuMemFreeAsync, 11020),
      GPUNODE_CUDA_PLAIN(cuMemAllocFromPoolAsync, 11020),
      GPUNODE_CUDA_PLAIN(cuMemPoolCreate, 11020),
      GPUNODE_CUDA_PLAIN(cuMemPoolDestroy, 11020),
      GPUNODE_CUDA_PLAIN(cuMemPoolTrimTo, 11020),
      GPUNODE_CUDA_PLAIN(cuMemPoolGetAttribute, 11020),
      GPUNODE_CUDA_PLAIN(cuMemPoolSetAttribute, 11020),
      GPUNODE_CUDA_PLAIN(cuDeviceGetDefaultMemPool, 11020),
      GPUNODE_CUDA_PLAIN(cuDeviceGetMemPool, 11020),
      GPUNODE_CUDA_PLAIN(cuDeviceSetMemPool, 11020),
      GPUNODE_CUDA_PLAIN(cuGraphCreate, 10000),
      GPUNODE_CUDA_PLAIN(cuGraphDestroy, 10000),
      GPUNODE_CUDA_PLAIN(cuGraphAddMemAllocNode, 11040),
      GPUNODE_CUDA_PLAIN(cuGraphAddMemFreeNode, 11040),
      GPUNODE_CUDA_PLAIN(cuGraphAddChildGraphNode, 10000),
      GPUNODE_CUDA_PLAIN(cuGraphGetNodes, 10000),
      GPUNODE_CUDA_PLAIN(cuGraphNodeGetType, 10000),
      GPUNODE_CUDA_PLAIN(cuGraphMemAllocNodeGetParams, 11040),
      GPUNODE_CUDA_PLAIN(cuGraphChildGraphNodeGetGraph, 10000),
      Entry{"cuGraphInstantiate", 12000,
            address_of(&cuGraphInstantiateWithFlags)},
      GPUNODE_CUDA_V2(cuGraphInstantiate, 11000),
      GPUNODE_CUDA_PLAIN(cuGraphInstantiate, 10000),
      GPUNODE_CUDA_PLAIN(cuGraphInstantiateWithFlags, 11040),
      GPUNODE_CUDA_PLAIN(cuGraphInstantiateWithParams, 12000),
      GPUNODE_CUDA_PLAIN(cuGraphExecDestroy, 10000),
      GPUNODE_CUDA_PLAIN(cuGraphUpload, 11010),
      GPUNODE_CUDA_PLAIN(cuGraphLaunch, 10000),
      GPUNODE_CUDA_PLAIN(cuDeviceGetGraphMemAttribute, 11040),
      GPUNODE_CUDA_PLAIN(cuDeviceGraphMemTrim, 11040),
      GPUNODE_CUDA_PLAIN(cuStreamGetCtx, 9020),
      GPUNODE_CUDA_PLAIN(cuStreamIsCapturing, 10000),
      GPUNODE_CUDA_PLAIN(cuThreadExchangeStreamCaptureMode, 10010),
      GPUNODE_CUDA_V2(cuArrayCreate, 3020),
      GPUNODE_CUDA_V2(cuArray3DCreate, 3020),
      GPUNODE_CUDA_PLAIN(cuArrayDestroy, 2000),
      GPUNODE_CUDA_PLAIN(cuMipmappedArrayCreate, 5000),
      GPUNODE_CUDA_PLAIN(cuMipmappedArrayDestroy, 5000),
      GPUNODE_CUDA_PLAIN(cuMemAddressReserve, 10020),
      GPUNODE_CUDA_PLAIN(cuMemAddressFree, 10020),
      GPUNODE_CUDA_PLAIN(cuMemCreate, 10020),
      GPUNODE_CUDA_PLAIN(cuMemRelease, 10020),
      GPUNODE_CUDA_PLAIN(cuMemMap, 10020),
      GPUNODE_CUDA_PLAIN(cuMemUnmap, 10020),
      GPUNODE_CUDA_PLAIN(cuMemSetAccess, 10020),
      GPUNODE_CUDA_PLAIN(cuMemRetainAllocationHandle, 11000),
      GPUNODE_CUDA_PLAIN(cuMemExportToShareableHandle, 10020),
      GPUNODE_CUDA_PLAIN(cuMemImportFromShareableHandle, 10020),
      GPUNODE_CUDA_PLAIN(cuMemGetAllocationPropertiesFromHandle, 10020),
      GPUNODE_CUDA_PLAIN(cuIpcGetMemHandle, 4010),
      GPUNODE_CUDA_V2(cuIpcOpenMemHandle, 11000),
      GPUNODE_CUDA_PLAIN(cuIpcOpenMemHandle, 4010),
      GPUNODE_CUDA_PLAIN(cuIpcCloseMemHandle, 4010),
      GPUNODE_CUDA_PLAIN(cuImportExternalMemory, 10000),
      GPUNODE_CUDA_PLAIN(cuDestroyExternalMemory, 10000),
      GPUNODE_CUDA_PLAIN(cuMemPoolExportPointer, 11020),
      GPUNODE_CUDA_PLAIN(cuMemPoolImportPointer, 11020),
      GPUNODE_CUDA_V2(cuMemGetAddressRange, 3020),
      GPUNODE_CUDA_PLAIN(cuPointerGetAttribute, 4000),
      GPUNODE_CUDA_PLAIN(cuMemcpy, 4000),
      GPUNODE_CUDA_PLAIN(cuMemcpyAsync, 4000),
      GPUNODE_CUDA_V2(cuMemcpyHtoD, 3020),
      GPUNODE_CUDA_V2(cuMemcpyDtoH, 3020),
      GPUNODE_CUDA_V2(cuMemcpyDtoD, 3020),
      GPUNODE_CUDA_V2(cuMemcpyHtoDAsync, 3020),
      GPUNODE_CUDA_V2(cuMemcpyDtoHAsync, 3020),
      GPUNODE_CUDA_V2(cuMemcpyDtoDAsync, 3020),
      GPUNODE_CUDA_V2(cuMemsetD8, 3020),
      GPUNODE_CUDA_V2(cuMemsetD16, 3020),
      GPUNODE_CUDA_V2(cuMemsetD32, 3020),
      GPUNODE_CUDA_PLAIN(cuMemsetD8Async, 3020),
      GPUNODE_CUDA_PLAIN(cuMemsetD32Async, 3020),
      GPUNODE_CUDA_V2(cuMemcpyAtoA, 3020),
      GPUNODE_CUDA_V2(cuMemcpyAtoD, 3020),
      GPUNODE_CUDA_V2(cuMemcpyDtoA, 3020),
      GPUNODE_CUDA_V2(cuMemcpy2D, 3020),
      GPUNODE_CUDA_V2(cuMemcpy2DUnaligned, 3020),
      GPUNODE_CUDA_V2(cuMemcpy2DAsync, 3020),
      GPUNODE_CUDA_V2(cuMemcpy3D, 3020),
      GPUNODE_CUDA_V2(cuMemcpy3DAsync, 3020),
      GPUNODE_CUDA_PLAIN(cuMemcpyPeer, 4000),
      GPUNODE_CUDA_PLAIN(cuMemcpyPeerAsync, 4000),
      GPUNODE_CUDA_PLAIN(cuMemcpy3DPeer, 4000),
      GPUNODE_CUDA_PLAIN(cuMemcpy3DPeerAsync, 4000),
      GPUNODE_CUDA_V2(cuMemcpyBatchAsync, 13000),
      GPUNODE_CUDA_PLAIN(cuMemcpyBatchAsync, 12080),
      GPUNODE_CUDA_V2(cuMemcpy3DBatchAsync, 13000),
      GPUNODE_CUDA_PLAIN(cuMemcpy3DBatchAsync, 12080),
      GPUNODE_CUDA_PLAIN(cuMemcpyWithAttributesAsync, 13020),
      GPUNODE_CUDA_PLAIN(cuMemcpy3DWithAttributesAsync, 13020),
      GPUNODE_CUDA_V2(cuMemsetD2D8, 3020),
      GPUNODE_CUDA_PLAIN(cuMemsetD2D8Async, 3020),
      GPUNODE_CUDA_V2(cuMemsetD2D16, 3020),
      GPUNODE_CUDA_PLAIN(cuMemsetD2D16Async, 3020),
      GPUNODE_CUDA_V2(cuMemsetD2D32, 3020),
      GPUNODE_CUDA_PLAIN(cuMemsetD2D32Async, 3020),
      GPUNODE_CUDA_PLAIN(cuStreamCreate, 2000),
      GPUNODE_CUDA_PLAIN(cuStreamCreateWithPriority, 5050),
      GPUNODE_CUDA_V2(cuStreamDestroy, 4000),
      GPUNODE_CUDA_PLAIN(cuStreamSynchronize, 2000),
      GPUNODE_CUDA_PLAIN(cuStreamQuery, 2000),
      GPUNODE_CUDA_PLAIN(cuStreamWaitEvent, 3020),
      GPUNODE_CUDA_PLAIN(cuEventCreate, 2000),
      GPUNODE_CUDA_V2(cuEventDestroy, 4000),
      GPUNODE_CUDA_PLAIN(cuEventRecord, 2000),
      GPUNODE_CUDA_PLAIN(cuEventSynchronize, 2000),
      GPUNODE_CUDA_PLAIN(cuEventQuery, 2000),
      GPUNODE_CUDA_PLAIN(cuEventElapsedTime, 2000),
      GPUNODE_CUDA_PLAIN(cuModuleLoadData, 2000),
      GPUNODE_CUDA_PLAIN(cuModuleLoadDataEx, 2010),
      GPUNODE_CUDA_PLAIN(cuModuleUnload, 2000),
      GPUNODE_CUDA_PLAIN(cuModuleGetFunction, 2000),
      GPUNODE_CUDA_PLAIN(cuLaunchKernel, 4000),
      GPUNODE_CUDA_PLAIN(cuLaunchKernelEx, 11060),
      GPUNODE_CUDA_PLAIN(cuLaunchCooperativeKernel, 9000),
      GPUNODE_CUDA_PLAIN(cuMemsetD16Async, 3020),
      GPUNODE_CUDA_V2(cuStreamWriteValue32, 11070),
      GPUNODE_CUDA_V2(cuStreamWaitValue32, 11070),
      GPUNODE_CUDA_V2(cuMemHostRegister, 6050),
      GPUNODE_CUDA_PLAIN(cuMemHostUnregister, 4000),
      GPUNODE_CUDA_V2(cuMemHostGetDevicePointer, 3020),
      GPUNODE_CUDA_V2(cuStreamBeginCapture, 10010),
      GPUNODE_CUDA_PLAIN(cuStreamEndCapture, 10000),
  };
  return all;
}

#undef GPUNODE_CUDA_PLAIN
#undef GPUNODE_CUDA_V2

/// The forms for which the null stream is the thread's own.
void* per_thread_form(void* function) {
  // NOLINTBEGIN(bugprone-macro-parentheses): `name` is pasted.
#define GPUNODE_CUDA_PTSZ(name) \
  if (function == address_of(&name)) return address_of(&name##_ptsz);
  // NOLINTEND(bugprone-macro-parentheses)
  GPUNODE_CUDA_PTSZ(cuMemAllocAsync)
  GPUNODE_CUDA_PTSZ(cuMemAllocFromPoolAsync)
  GPUNODE_CUDA_PTSZ(cuMemFreeAsync)
  GPUNODE_CUDA_PTSZ(cuStreamSynchronize)
  GPUNODE_CUDA_PTSZ(cuGraphInstantiateWithParams)
  GPUNODE_CUDA_PTSZ(cuGraphUpload)
  GPUNODE_CUDA_PTSZ(cuGraphLaunch)
  GPUNODE_CUDA_PTSZ(cuLaunchKernel)
  GPUNODE_CUDA_PTSZ(cuLaunchKernelEx)
  GPUNODE_CUDA_PTSZ(cuLaunchCooperativeKernel)
  GPUNODE_CUDA_PTSZ(cuMemcpyAsync)
  GPUNODE_CUDA_PTSZ(cuMemsetD8Async)
  GPUNODE_CUDA_PTSZ(cuMemsetD16Async)
  GPUNODE_CUDA_PTSZ(cuMemsetD32Async)
  GPUNODE_CUDA_PTSZ(cuMemcpyDtoDAsync_v2)
  GPUNODE_CUDA_PTSZ(cuMemcpyDtoHAsync_v2)
  GPUNODE_CUDA_PTSZ(cuMemcpy2DAsync_v2)
  GPUNODE_CUDA_PTSZ(cuMemcpy3DAsync_v2)
  GPUNODE_CUDA_PTSZ(cuMemcpyPeerAsync)
  GPUNODE_CUDA_PTSZ(cuMemcpy3DPeerAsync)
  GPUNODE_CUDA_PTSZ(cuMemcpyBatchAsync)
  GPUNODE_CUDA_PTSZ(cuMemcpyBatchAsync_v2)
  GPUNODE_CUDA_PTSZ(cuMemcpy3DBatchAsync)
  GPUNODE_CUDA_PTSZ(cuMemcpy3DBatchAsync_v2)
  GPUNODE_CUDA_PTSZ(cuMemcpyWithAttributesAsync)
  GPUNODE_CUDA_PTSZ(cuMemcpy3DWithAttributesAsync)
  GPUNODE_CUDA_PTSZ(cuMemsetD2D8Async)
  GPUNODE_CUDA_PTSZ(cuMemsetD2D16Async)
  GPUNODE_CUDA_PTSZ(cuMemsetD2D32Async)
#undef GPUNODE_CUDA_PTSZ
  // NOLINTBEGIN(bugprone-macro-parentheses): `name` is pasted.
#define GPUNODE_CUDA_PTDS(name) \
  if (function == address_of(&name)) return address_of(&name##_ptds);
  // NOLINTEND(bugprone-macro-parentheses)
  GPUNODE_CUDA_PTDS(cuMemcpy)
  GPUNODE_CUDA_PTDS(cuMemcpyDtoD_v2)
  GPUNODE_CUDA_PTDS(cuMemcpyDtoH_v2)
  GPUNODE_CUDA_PTDS(cuMemsetD8_v2)
  GPUNODE_CUDA_PTDS(cuMemsetD16_v2)
  GPUNODE_CUDA_PTDS(cuMemsetD32_v2)
  GPUNODE_CUDA_PTDS(cuMemcpyAtoA_v2)
  GPUNODE_CUDA_PTDS(cuMemcpyAtoD_v2)
  GPUNODE_CUDA_PTDS(cuMemcpyDtoA_v2)
  GPUNODE_CUDA_PTDS(cuMemcpy2D_v2)
  GPUNODE_CUDA_PTDS(cuMemcpy2DUnaligned_v2)
  GPUNODE_CUDA_PTDS(cuMemcpy3D_v2)
  GPUNODE_CUDA_PTDS(cuMemcpyPeer)
  GPUNODE_CUDA_PTDS(cuMemcpy3DPeer)
  GPUNODE_CUDA_PTDS(cuMemsetD2D8_v2)
  GPUNODE_CUDA_PTDS(cuMemsetD2D16_v2)
  GPUNODE_CUDA_PTDS(cuMemsetD2D32_v2)
#undef GPUNODE_CUDA_PTDS
  return function;
}

CUresult look_up(const char* symbol, void** function, int version,
                 std::uint64_t flags, CUdriverProcAddressQueryResult* status) {
  if (symbol == nullptr || function == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *function = nullptr;
  CUdriverProcAddressQueryResult outcome = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
  for (const Entry& entry : entries()) {
    if (entry.name != symbol) continue;
    if (entry.version > version) {
      outcome = CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT;
      continue;
    }
    constexpr std::uint64_t kPerThreadStream = 2;
    *function = (flags & kPerThreadStream) != 0
                    ? per_thread_form(entry.function)
                    : entry.function;
    outcome = CU_GET_PROC_ADDRESS_SUCCESS;
    break;
  }
  if (status != nullptr) *status = outcome;
  return *function == nullptr ? CUDA_ERROR_NOT_FOUND : CUDA_SUCCESS;
}

}  // namespace

CUresult cuGetProcAddress(const char* symbol, void** function, int version,
                          std::uint64_t flags) {
  return enter("cuGetProcAddress", [&](Runtime&) {
    return look_up(symbol, function, version, flags, nullptr);
  });
}

CUresult cuGetProcAddress_v2(const char* symbol, void** function, int version,
                             std::uint64_t flags,
                             CUdriverProcAddressQueryResult* status) {
  return enter("cuGetProcAddress_v2", [&](Runtime&) {
    return look_up(symbol, function, version, flags, status);
  });
}

}  // namespace gpunode::abi
