// The CUDA driver API, continued: giving a Device work, and words that it
// writes. What holds of cuda.h holds here. Forms that end in _ptsz or _ptds
// take the null stream for the thread's own.
#pragma once

#include "gpu/abi/cuda.h"

namespace gpunode::abi {

// The driver's own spelling, so that a name can be searched for.
// NOLINTBEGIN(readability-identifier-naming, modernize-use-using)

struct CUlaunchAttribute;

struct CUlaunchConfig {
  unsigned gridDimX;
  unsigned gridDimY;
  unsigned gridDimZ;
  unsigned blockDimX;
  unsigned blockDimY;
  unsigned blockDimZ;
  unsigned sharedMemBytes;
  CUstream hStream;
  CUlaunchAttribute* attrs;
  unsigned numAttrs;
};
static_assert(sizeof(CUlaunchConfig) == 56);

inline constexpr unsigned CU_MEMHOSTREGISTER_DEVICEMAP = 2;
inline constexpr unsigned CU_STREAM_WAIT_VALUE_GEQ = 0;

// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name)
extern "C" {

CUresult cuLaunchKernel_ptsz(CUfunction function, unsigned grid_x,
                             unsigned grid_y, unsigned grid_z, unsigned block_x,
                             unsigned block_y, unsigned block_z,
                             unsigned shared_bytes, CUstream stream,
                             void** parameters, void** extra);
CUresult cuLaunchKernelEx(const CUlaunchConfig* config, CUfunction function,
                          void** parameters, void** extra);
CUresult cuLaunchKernelEx_ptsz(const CUlaunchConfig* config,
                               CUfunction function, void** parameters,
                               void** extra);
CUresult cuLaunchCooperativeKernel(CUfunction function, unsigned grid_x,
                                   unsigned grid_y, unsigned grid_z,
                                   unsigned block_x, unsigned block_y,
                                   unsigned block_z, unsigned shared_bytes,
                                   CUstream stream, void** parameters);
CUresult cuLaunchCooperativeKernel_ptsz(CUfunction function, unsigned grid_x,
                                        unsigned grid_y, unsigned grid_z,
                                        unsigned block_x, unsigned block_y,
                                        unsigned block_z, unsigned shared_bytes,
                                        CUstream stream, void** parameters);

CUresult cuMemcpy_ptds(CUdeviceptr to, CUdeviceptr from, std::size_t bytes);
CUresult cuMemcpyAsync_ptsz(CUdeviceptr to, CUdeviceptr from, std::size_t bytes,
                            CUstream stream);
CUresult cuMemcpyDtoD_v2_ptds(CUdeviceptr to, CUdeviceptr from,
                              std::size_t bytes);
CUresult cuMemcpyDtoDAsync_v2_ptsz(CUdeviceptr to, CUdeviceptr from,
                                   std::size_t bytes, CUstream stream);
CUresult cuMemsetD8_v2_ptds(CUdeviceptr to, unsigned char value,
                            std::size_t count);
CUresult cuMemsetD16_v2_ptds(CUdeviceptr to, unsigned short value,
                             std::size_t count);
CUresult cuMemsetD32_v2_ptds(CUdeviceptr to, unsigned value, std::size_t count);
CUresult cuMemsetD8Async_ptsz(CUdeviceptr to, unsigned char value,
                              std::size_t count, CUstream stream);
CUresult cuMemsetD16Async(CUdeviceptr to, unsigned short value,
                          std::size_t count, CUstream stream);
CUresult cuMemsetD16Async_ptsz(CUdeviceptr to, unsigned short value,
                               std::size_t count, CUstream stream);
CUresult cuMemsetD32Async_ptsz(CUdeviceptr to, unsigned value,
                               std::size_t count, CUstream stream);

CUresult cuStreamDestroy(CUstream stream);

/// Behind what is in the stream, the Device writes the word. Before 11.7 only
/// where the driver was loaded with leave to; the second form always.
CUresult cuStreamWriteValue32(CUstream stream, CUdeviceptr address,
                              std::uint32_t value, unsigned flags);
CUresult cuStreamWriteValue32_v2(CUstream stream, CUdeviceptr address,
                                 std::uint32_t value, unsigned flags);
/// What comes behind it in the stream waits until the word fits: with
/// CU_STREAM_WAIT_VALUE_GEQ, until it is `value` or up to 2^31 more.
CUresult cuStreamWaitValue32(CUstream stream, CUdeviceptr address,
                             std::uint32_t value, unsigned flags);
CUresult cuStreamWaitValue32_v2(CUstream stream, CUdeviceptr address,
                                std::uint32_t value, unsigned flags);
CUresult cuMemHostRegister_v2(void* memory, std::size_t bytes, unsigned flags);
CUresult cuMemHostUnregister(void* memory);
CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr* address, void* memory,
                                      unsigned flags);

}  // extern "C"
// NOLINTEND(readability-inconsistent-declaration-parameter-name)
// NOLINTEND(readability-identifier-naming, modernize-use-using)

}  // namespace gpunode::abi
