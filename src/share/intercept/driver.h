// The driver's functions that this library stands in for, and where the real
// ones are.
#pragma once

#include <atomic>

#include "gpu/abi/cuda.h"
#include "gpu/abi/cuda_copy.h"
#include "gpu/abi/cuda_memory.h"
#include "gpu/abi/cuda_work.h"

namespace gpunode::share {

#define GPUNODE_INTERCEPTED_VIRTUAL(X) \
  X(cuMemCreate)                       \
  X(cuMemRelease)                      \
  X(cuMemMap)                          \
  X(cuMemUnmap)                        \
  X(cuMemRetainAllocationHandle)       \
  X(cuMemImportFromShareableHandle)

/// What others made and this process opens.
#define GPUNODE_INTERCEPTED_IMPORT(X) \
  X(cuIpcOpenMemHandle)               \
  X(cuIpcOpenMemHandle_v2)            \
  X(cuIpcCloseMemHandle)              \
  X(cuImportExternalMemory)           \
  X(cuDestroyExternalMemory)          \
  X(cuMemPoolImportPointer)

#define GPUNODE_INTERCEPTED_ARRAY(X) \
  X(cuArrayCreate_v2)                \
  X(cuArray3DCreate_v2)              \
  X(cuArrayDestroy)                  \
  X(cuMipmappedArrayCreate)          \
  X(cuMipmappedArrayDestroy)

/// Contexts, and what is theirs.
#define GPUNODE_INTERCEPTED_CONTEXT(X) \
  X(cuCtxCreate_v2)                    \
  X(cuCtxCreate_v3)                    \
  X(cuCtxCreate_v4)                    \
  X(cuCtxDestroy_v2)                   \
  X(cuCtxDestroy)                      \
  X(cuCtxDetach)                       \
  X(cuDevicePrimaryCtxRetain)          \
  X(cuDevicePrimaryCtxRelease)         \
  X(cuDevicePrimaryCtxRelease_v2)      \
  X(cuDevicePrimaryCtxReset)           \
  X(cuDevicePrimaryCtxReset_v2)        \
  X(cuCtxSetLimit)

#define GPUNODE_INTERCEPTED_POOL(X) \
  X(cuMemAllocAsync)                \
  X(cuMemAllocAsync_ptsz)           \
  X(cuMemAllocFromPoolAsync)        \
  X(cuMemAllocFromPoolAsync_ptsz)   \
  X(cuMemFreeAsync)                 \
  X(cuMemFreeAsync_ptsz)            \
  X(cuMemPoolCreate)                \
  X(cuMemPoolDestroy)               \
  X(cuMemPoolTrimTo)                \
  X(cuStreamSynchronize)            \
  X(cuStreamSynchronize_ptsz)       \
  X(cuCtxSynchronize)               \
  X(cuEventSynchronize)

#define GPUNODE_INTERCEPTED_GRAPH(X)   \
  X(cuGraphInstantiate)                \
  X(cuGraphInstantiate_v2)             \
  X(cuGraphInstantiateWithFlags)       \
  X(cuGraphInstantiateWithParams)      \
  X(cuGraphInstantiateWithParams_ptsz) \
  X(cuGraphExecDestroy)                \
  X(cuGraphUpload)                     \
  X(cuGraphUpload_ptsz)                \
  X(cuGraphLaunch)                     \
  X(cuGraphLaunch_ptsz)                \
  X(cuDeviceGraphMemTrim)

/// What gives a Device work; graphs do, too. And what ends where it is given.
#define GPUNODE_INTERCEPTED_WORK(X) \
  X(cuStreamDestroy)                \
  X(cuStreamDestroy_v2)             \
  X(cuLaunchKernel)                 \
  X(cuLaunchKernel_ptsz)            \
  X(cuLaunchKernelEx)               \
  X(cuLaunchKernelEx_ptsz)          \
  X(cuLaunchCooperativeKernel)      \
  X(cuLaunchCooperativeKernel_ptsz) \
  X(cuMemcpy)                       \
  X(cuMemcpy_ptds)                  \
  X(cuMemcpyAsync)                  \
  X(cuMemcpyAsync_ptsz)             \
  X(cuMemcpyDtoD_v2)                \
  X(cuMemcpyDtoD_v2_ptds)           \
  X(cuMemcpyDtoDAsync_v2)           \
  X(cuMemcpyDtoDAsync_v2_ptsz)      \
  X(cuMemsetD8_v2)                  \
  X(cuMemsetD8_v2_ptds)             \
  X(cuMemsetD16_v2)                 \
  X(cuMemsetD16_v2_ptds)            \
  X(cuMemsetD32_v2)                 \
  X(cuMemsetD32_v2_ptds)            \
  X(cuMemsetD8Async)                \
  X(cuMemsetD8Async_ptsz)           \
  X(cuMemsetD16Async)               \
  X(cuMemsetD16Async_ptsz)          \
  X(cuMemsetD32Async)               \
  X(cuMemsetD32Async_ptsz)

/// Copies that say more than two addresses and a length; fills of rows.
#define GPUNODE_INTERCEPTED_COPY(X)     \
  X(cuMemcpyDtoH_v2)                    \
  X(cuMemcpyDtoH_v2_ptds)               \
  X(cuMemcpyDtoHAsync_v2)               \
  X(cuMemcpyDtoHAsync_v2_ptsz)          \
  X(cuMemcpyAtoA_v2)                    \
  X(cuMemcpyAtoA_v2_ptds)               \
  X(cuMemcpyAtoD_v2)                    \
  X(cuMemcpyAtoD_v2_ptds)               \
  X(cuMemcpyDtoA_v2)                    \
  X(cuMemcpyDtoA_v2_ptds)               \
  X(cuMemcpy2D_v2)                      \
  X(cuMemcpy2D_v2_ptds)                 \
  X(cuMemcpy2DUnaligned_v2)             \
  X(cuMemcpy2DUnaligned_v2_ptds)        \
  X(cuMemcpy2DAsync_v2)                 \
  X(cuMemcpy2DAsync_v2_ptsz)            \
  X(cuMemcpy3D_v2)                      \
  X(cuMemcpy3D_v2_ptds)                 \
  X(cuMemcpy3DAsync_v2)                 \
  X(cuMemcpy3DAsync_v2_ptsz)            \
  X(cuMemcpyPeer)                       \
  X(cuMemcpyPeer_ptds)                  \
  X(cuMemcpyPeerAsync)                  \
  X(cuMemcpyPeerAsync_ptsz)             \
  X(cuMemcpy3DPeer)                     \
  X(cuMemcpy3DPeer_ptds)                \
  X(cuMemcpy3DPeerAsync)                \
  X(cuMemcpy3DPeerAsync_ptsz)           \
  X(cuMemcpyBatchAsync)                 \
  X(cuMemcpyBatchAsync_ptsz)            \
  X(cuMemcpyBatchAsync_v2)              \
  X(cuMemcpyBatchAsync_v2_ptsz)         \
  X(cuMemcpy3DBatchAsync)               \
  X(cuMemcpy3DBatchAsync_ptsz)          \
  X(cuMemcpy3DBatchAsync_v2)            \
  X(cuMemcpy3DBatchAsync_v2_ptsz)       \
  X(cuMemcpyWithAttributesAsync)        \
  X(cuMemcpyWithAttributesAsync_ptsz)   \
  X(cuMemcpy3DWithAttributesAsync)      \
  X(cuMemcpy3DWithAttributesAsync_ptsz) \
  X(cuMemsetD2D8_v2)                    \
  X(cuMemsetD2D8_v2_ptds)               \
  X(cuMemsetD2D16_v2)                   \
  X(cuMemsetD2D16_v2_ptds)              \
  X(cuMemsetD2D32_v2)                   \
  X(cuMemsetD2D32_v2_ptds)              \
  X(cuMemsetD2D8Async)                  \
  X(cuMemsetD2D8Async_ptsz)             \
  X(cuMemsetD2D16Async)                 \
  X(cuMemsetD2D16Async_ptsz)            \
  X(cuMemsetD2D32Async)                 \
  X(cuMemsetD2D32Async_ptsz)

/// Exported names of libcuda.so.1, one for each form of a call that was ever
/// given out. On drivers that were looked at (580), every address that
/// cuGetProcAddress gives for any name, version and flag is that of an exported
/// name; so a form is told by its address, and one that isn't here passes.
#define GPUNODE_INTERCEPTED(X)   \
  GPUNODE_INTERCEPTED_VIRTUAL(X) \
  GPUNODE_INTERCEPTED_IMPORT(X)  \
  GPUNODE_INTERCEPTED_ARRAY(X)   \
  GPUNODE_INTERCEPTED_CONTEXT(X) \
  GPUNODE_INTERCEPTED_POOL(X)    \
  GPUNODE_INTERCEPTED_GRAPH(X)   \
  GPUNODE_INTERCEPTED_WORK(X)    \
  GPUNODE_INTERCEPTED_COPY(X)    \
  X(cuGetProcAddress)            \
  X(cuGetProcAddress_v2)         \
  X(cuGetExportTable)            \
  X(cuMemAlloc_v2)               \
  X(cuMemAllocPitch_v2)          \
  X(cuMemAllocManaged)           \
  X(cuMemFree_v2)                \
  X(cuMemGetInfo_v2)             \
  X(cuDeviceTotalMem_v2)

/// Called, not replaced.
#define GPUNODE_CALLED(X)                   \
  X(cuMemGetAddressRange_v2)                \
  X(cuMemGetAllocationPropertiesFromHandle) \
  X(cuMemPoolGetAttribute)                  \
  X(cuGraphGetNodes)                        \
  X(cuGraphNodeGetType)                     \
  X(cuGraphMemAllocNodeGetParams)           \
  X(cuGraphChildGraphNodeGetGraph)          \
  X(cuDeviceGetGraphMemAttribute)           \
  X(cuDeviceGetDefaultMemPool)              \
  X(cuDeviceGetMemPool)                     \
  X(cuStreamGetCtx)                         \
  X(cuStreamWriteValue32)                   \
  X(cuStreamWriteValue32_v2)                \
  X(cuStreamWaitValue32)                    \
  X(cuStreamWaitValue32_v2)                 \
  X(cuMemHostRegister_v2)                   \
  X(cuMemHostUnregister)                    \
  X(cuMemHostGetDevicePointer_v2)           \
  X(cuStreamIsCapturing)                    \
  X(cuThreadExchangeStreamCaptureMode)      \
  X(cuCtxPushCurrent_v2)                    \
  X(cuCtxPopCurrent_v2)                     \
  X(cuCtxGetCurrent)                        \
  X(cuCtxGetApiVersion)                     \
  X(cuCtxGetLimit)                          \
  X(cuDeviceGetAttribute)                   \
  X(cuDevicePrimaryCtxGetState)             \
  X(cuCtxGetDevice)                         \
  X(cuDeviceGet)                            \
  X(cuDeviceGetUuid)                        \
  X(cuDeviceGetUuid_v2)

/// Null members are functions that this driver does not have.
struct Driver {
// NOLINTBEGIN(bugprone-macro-parentheses): `name` is declared.
#define GPUNODE_MEMBER(name) std::atomic<decltype(&abi::name)> name = nullptr;
  GPUNODE_INTERCEPTED(GPUNODE_MEMBER)
  GPUNODE_CALLED(GPUNODE_MEMBER)
#undef GPUNODE_MEMBER
  // NOLINTEND(bugprone-macro-parentheses)
};

/// How a name is looked up in the driver.
using LookUp = void* (*)(const char* name);

/// Fills `driver` by `look_up`; any number of threads may do so at once.
void fill(Driver* driver, LookUp look_up);

/// The one of this process. Filled when the driver is first asked for
/// something; false as long as it isn't loaded.
Driver& driver();
bool is_driver_known();

/// Ours in place of a function of the driver; `real` itself if there is none.
/// `real` may be anything, null too.
void* replaced(void* real);

}  // namespace gpunode::share
