// The CUDA driver API, continued: copies by a description, between contexts and
// in batches; fills of rows. What holds of cuda.h and cuda_work.h holds here.
#pragma once

#include "gpu/abi/cuda.h"
#include "gpu/abi/cuda_memory.h"

namespace gpunode::abi {

// The driver's own spelling, so that a name can be searched for.
// NOLINTBEGIN(readability-identifier-naming, modernize-use-using)

/// Which of the members of an end says where it is: Host, Array, or Device,
/// where with CU_MEMORYTYPE_UNIFIED memory of the host may lie, too.
struct CUDA_MEMCPY2D {
  std::size_t srcXInBytes;
  std::size_t srcY;
  CUmemorytype srcMemoryType;
  const void* srcHost;
  CUdeviceptr srcDevice;
  CUarray srcArray;
  std::size_t srcPitch;

  std::size_t dstXInBytes;
  std::size_t dstY;
  CUmemorytype dstMemoryType;
  void* dstHost;
  CUdeviceptr dstDevice;
  CUarray dstArray;
  std::size_t dstPitch;

  std::size_t WidthInBytes;
  std::size_t Height;
};
static_assert(sizeof(CUDA_MEMCPY2D) == 128);

struct CUDA_MEMCPY3D {
  std::size_t srcXInBytes;
  std::size_t srcY;
  std::size_t srcZ;
  std::size_t srcLOD;
  CUmemorytype srcMemoryType;
  const void* srcHost;
  CUdeviceptr srcDevice;
  CUarray srcArray;
  void* reserved0;
  std::size_t srcPitch;
  std::size_t srcHeight;

  std::size_t dstXInBytes;
  std::size_t dstY;
  std::size_t dstZ;
  std::size_t dstLOD;
  CUmemorytype dstMemoryType;
  void* dstHost;
  CUdeviceptr dstDevice;
  CUarray dstArray;
  void* reserved1;
  std::size_t dstPitch;
  std::size_t dstHeight;

  std::size_t WidthInBytes;
  std::size_t Height;
  std::size_t Depth;
};
static_assert(sizeof(CUDA_MEMCPY3D) == 200);

struct CUDA_MEMCPY3D_PEER {
  std::size_t srcXInBytes;
  std::size_t srcY;
  std::size_t srcZ;
  std::size_t srcLOD;
  CUmemorytype srcMemoryType;
  const void* srcHost;
  CUdeviceptr srcDevice;
  CUarray srcArray;
  CUcontext srcContext;
  std::size_t srcPitch;
  std::size_t srcHeight;

  std::size_t dstXInBytes;
  std::size_t dstY;
  std::size_t dstZ;
  std::size_t dstLOD;
  CUmemorytype dstMemoryType;
  void* dstHost;
  CUdeviceptr dstDevice;
  CUarray dstArray;
  CUcontext dstContext;
  std::size_t dstPitch;
  std::size_t dstHeight;

  std::size_t WidthInBytes;
  std::size_t Height;
  std::size_t Depth;
};
static_assert(sizeof(CUDA_MEMCPY3D_PEER) == 200);

/// In which order a copy of a batch reads, and where its ends had best be.
struct CUmemcpyAttributes {
  int srcAccessOrder;
  CUmemLocation srcLocHint;
  CUmemLocation dstLocHint;
  unsigned flags;
};
static_assert(sizeof(CUmemcpyAttributes) == 24);

/// Not looked into: a copy of a batch, whose ends' names say nothing.
struct CUDA_MEMCPY3D_BATCH_OP;

// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name)
extern "C" {

CUresult cuMemcpyDtoH_v2_ptds(void* to, CUdeviceptr from, std::size_t bytes);
CUresult cuMemcpyDtoHAsync_v2_ptsz(void* to, CUdeviceptr from,
                                   std::size_t bytes, CUstream stream);
CUresult cuMemcpyAtoA_v2(CUarray to, std::size_t to_at, CUarray from,
                         std::size_t from_at, std::size_t bytes);
CUresult cuMemcpyAtoA_v2_ptds(CUarray to, std::size_t to_at, CUarray from,
                              std::size_t from_at, std::size_t bytes);
CUresult cuMemcpyAtoD_v2(CUdeviceptr to, CUarray from, std::size_t from_at,
                         std::size_t bytes);
CUresult cuMemcpyAtoD_v2_ptds(CUdeviceptr to, CUarray from, std::size_t from_at,
                              std::size_t bytes);
CUresult cuMemcpyDtoA_v2(CUarray to, std::size_t to_at, CUdeviceptr from,
                         std::size_t bytes);
CUresult cuMemcpyDtoA_v2_ptds(CUarray to, std::size_t to_at, CUdeviceptr from,
                              std::size_t bytes);

CUresult cuMemcpy2D_v2(const CUDA_MEMCPY2D* copy);
CUresult cuMemcpy2D_v2_ptds(const CUDA_MEMCPY2D* copy);
CUresult cuMemcpy2DUnaligned_v2(const CUDA_MEMCPY2D* copy);
CUresult cuMemcpy2DUnaligned_v2_ptds(const CUDA_MEMCPY2D* copy);
CUresult cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D* copy, CUstream stream);
CUresult cuMemcpy2DAsync_v2_ptsz(const CUDA_MEMCPY2D* copy, CUstream stream);
CUresult cuMemcpy3D_v2(const CUDA_MEMCPY3D* copy);
CUresult cuMemcpy3D_v2_ptds(const CUDA_MEMCPY3D* copy);
CUresult cuMemcpy3DAsync_v2(const CUDA_MEMCPY3D* copy, CUstream stream);
CUresult cuMemcpy3DAsync_v2_ptsz(const CUDA_MEMCPY3D* copy, CUstream stream);

CUresult cuMemcpyPeer(CUdeviceptr to, CUcontext to_context, CUdeviceptr from,
                      CUcontext from_context, std::size_t bytes);
CUresult cuMemcpyPeer_ptds(CUdeviceptr to, CUcontext to_context,
                           CUdeviceptr from, CUcontext from_context,
                           std::size_t bytes);
CUresult cuMemcpyPeerAsync(CUdeviceptr to, CUcontext to_context,
                           CUdeviceptr from, CUcontext from_context,
                           std::size_t bytes, CUstream stream);
CUresult cuMemcpyPeerAsync_ptsz(CUdeviceptr to, CUcontext to_context,
                                CUdeviceptr from, CUcontext from_context,
                                std::size_t bytes, CUstream stream);
CUresult cuMemcpy3DPeer(const CUDA_MEMCPY3D_PEER* copy);
CUresult cuMemcpy3DPeer_ptds(const CUDA_MEMCPY3D_PEER* copy);
CUresult cuMemcpy3DPeerAsync(const CUDA_MEMCPY3D_PEER* copy, CUstream stream);
CUresult cuMemcpy3DPeerAsync_ptsz(const CUDA_MEMCPY3D_PEER* copy,
                                  CUstream stream);

/// 12.8; of 13.0 are the second forms, which do not say which copy it was that
/// could not be.
CUresult cuMemcpyBatchAsync(CUdeviceptr* to, CUdeviceptr* from,
                            std::size_t* bytes, std::size_t count,
                            CUmemcpyAttributes* attributes,
                            std::size_t* attributes_from,
                            std::size_t attributes_count, std::size_t* failed,
                            CUstream stream);
CUresult cuMemcpyBatchAsync_ptsz(CUdeviceptr* to, CUdeviceptr* from,
                                 std::size_t* bytes, std::size_t count,
                                 CUmemcpyAttributes* attributes,
                                 std::size_t* attributes_from,
                                 std::size_t attributes_count,
                                 std::size_t* failed, CUstream stream);
CUresult cuMemcpyBatchAsync_v2(CUdeviceptr* to, CUdeviceptr* from,
                               std::size_t* bytes, std::size_t count,
                               CUmemcpyAttributes* attributes,
                               std::size_t* attributes_from,
                               std::size_t attributes_count, CUstream stream);
CUresult cuMemcpyBatchAsync_v2_ptsz(CUdeviceptr* to, CUdeviceptr* from,
                                    std::size_t* bytes, std::size_t count,
                                    CUmemcpyAttributes* attributes,
                                    std::size_t* attributes_from,
                                    std::size_t attributes_count,
                                    CUstream stream);
CUresult cuMemcpy3DBatchAsync(std::size_t count, CUDA_MEMCPY3D_BATCH_OP* copies,
                              std::size_t* failed, unsigned long long flags,
                              CUstream stream);
CUresult cuMemcpy3DBatchAsync_ptsz(std::size_t count,
                                   CUDA_MEMCPY3D_BATCH_OP* copies,
                                   std::size_t* failed,
                                   unsigned long long flags, CUstream stream);
CUresult cuMemcpy3DBatchAsync_v2(std::size_t count,
                                 CUDA_MEMCPY3D_BATCH_OP* copies,
                                 unsigned long long flags, CUstream stream);
CUresult cuMemcpy3DBatchAsync_v2_ptsz(std::size_t count,
                                      CUDA_MEMCPY3D_BATCH_OP* copies,
                                      unsigned long long flags,
                                      CUstream stream);
/// 13.2.
CUresult cuMemcpyWithAttributesAsync(CUdeviceptr to, CUdeviceptr from,
                                     std::size_t bytes,
                                     CUmemcpyAttributes* attributes,
                                     CUstream stream);
CUresult cuMemcpyWithAttributesAsync_ptsz(CUdeviceptr to, CUdeviceptr from,
                                          std::size_t bytes,
                                          CUmemcpyAttributes* attributes,
                                          CUstream stream);
CUresult cuMemcpy3DWithAttributesAsync(CUDA_MEMCPY3D_BATCH_OP* copy,
                                       unsigned long long flags,
                                       CUstream stream);
CUresult cuMemcpy3DWithAttributesAsync_ptsz(CUDA_MEMCPY3D_BATCH_OP* copy,
                                            unsigned long long flags,
                                            CUstream stream);

CUresult cuMemsetD2D8_v2(CUdeviceptr to, std::size_t pitch, unsigned char value,
                         std::size_t width, std::size_t height);
CUresult cuMemsetD2D8_v2_ptds(CUdeviceptr to, std::size_t pitch,
                              unsigned char value, std::size_t width,
                              std::size_t height);
CUresult cuMemsetD2D16_v2(CUdeviceptr to, std::size_t pitch,
                          unsigned short value, std::size_t width,
                          std::size_t height);
CUresult cuMemsetD2D16_v2_ptds(CUdeviceptr to, std::size_t pitch,
                               unsigned short value, std::size_t width,
                               std::size_t height);
CUresult cuMemsetD2D32_v2(CUdeviceptr to, std::size_t pitch, unsigned value,
                          std::size_t width, std::size_t height);
CUresult cuMemsetD2D32_v2_ptds(CUdeviceptr to, std::size_t pitch,
                               unsigned value, std::size_t width,
                               std::size_t height);
CUresult cuMemsetD2D8Async(CUdeviceptr to, std::size_t pitch,
                           unsigned char value, std::size_t width,
                           std::size_t height, CUstream stream);
CUresult cuMemsetD2D8Async_ptsz(CUdeviceptr to, std::size_t pitch,
                                unsigned char value, std::size_t width,
                                std::size_t height, CUstream stream);
CUresult cuMemsetD2D16Async(CUdeviceptr to, std::size_t pitch,
                            unsigned short value, std::size_t width,
                            std::size_t height, CUstream stream);
CUresult cuMemsetD2D16Async_ptsz(CUdeviceptr to, std::size_t pitch,
                                 unsigned short value, std::size_t width,
                                 std::size_t height, CUstream stream);
CUresult cuMemsetD2D32Async(CUdeviceptr to, std::size_t pitch, unsigned value,
                            std::size_t width, std::size_t height,
                            CUstream stream);
CUresult cuMemsetD2D32Async_ptsz(CUdeviceptr to, std::size_t pitch,
                                 unsigned value, std::size_t width,
                                 std::size_t height, CUstream stream);

}  // extern "C"
// NOLINTEND(readability-inconsistent-declaration-parameter-name)
// NOLINTEND(readability-identifier-naming, modernize-use-using)

}  // namespace gpunode::abi
