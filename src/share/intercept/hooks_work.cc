// Launches, copies within a Device and what fills its memory: each waits for
// the container's turn. So does a copy whose name does not say what it is from
// or to. One that is from or to the host by its name is left alone: it keeps
// the bus busy, and hardly the Device.
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

CUresult destroy(CUresult (*ask)(CUstream), CUstream stream) {
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  share::retire_stream(stream);
  return share::noted(ask(stream));
}

}  // namespace

GPUNODE_EXPORT CUresult cuStreamDestroy(CUstream stream) {
  return destroy(real_of(driver().cuStreamDestroy), stream);
}

GPUNODE_EXPORT CUresult cuStreamDestroy_v2(CUstream stream) {
  return destroy(real_of(driver().cuStreamDestroy_v2), stream);
}

GPUNODE_EXPORT CUresult cuLaunchKernel(CUfunction function, unsigned grid_x,
                                       unsigned grid_y, unsigned grid_z,
                                       unsigned block_x, unsigned block_y,
                                       unsigned block_z, unsigned shared_bytes,
                                       CUstream stream, void** parameters,
                                       void** extra) {
  return work(driver().cuLaunchKernel, stream_of(stream, Null::kLegacy),
              function, grid_x, grid_y, grid_z, block_x, block_y, block_z,
              shared_bytes, stream, parameters, extra);
}

GPUNODE_EXPORT CUresult cuLaunchKernel_ptsz(
    CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
    unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes,
    CUstream stream, void** parameters, void** extra) {
  return work(driver().cuLaunchKernel_ptsz, stream_of(stream, Null::kOfThread),
              function, grid_x, grid_y, grid_z, block_x, block_y, block_z,
              shared_bytes, stream, parameters, extra);
}

GPUNODE_EXPORT CUresult cuLaunchKernelEx(const CUlaunchConfig* config,
                                         CUfunction function, void** parameters,
                                         void** extra) {
  return work(
      driver().cuLaunchKernelEx,
      config == nullptr ? nullptr : stream_of(config->hStream, Null::kLegacy),
      config, function, parameters, extra);
}

GPUNODE_EXPORT CUresult cuLaunchKernelEx_ptsz(const CUlaunchConfig* config,
                                              CUfunction function,
                                              void** parameters, void** extra) {
  return work(
      driver().cuLaunchKernelEx_ptsz,
      config == nullptr ? nullptr : stream_of(config->hStream, Null::kOfThread),
      config, function, parameters, extra);
}

GPUNODE_EXPORT CUresult cuLaunchCooperativeKernel(
    CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
    unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes,
    CUstream stream, void** parameters) {
  return work(driver().cuLaunchCooperativeKernel,
              stream_of(stream, Null::kLegacy), function, grid_x, grid_y,
              grid_z, block_x, block_y, block_z, shared_bytes, stream,
              parameters);
}

GPUNODE_EXPORT CUresult cuLaunchCooperativeKernel_ptsz(
    CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
    unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes,
    CUstream stream, void** parameters) {
  return work(driver().cuLaunchCooperativeKernel_ptsz,
              stream_of(stream, Null::kOfThread), function, grid_x, grid_y,
              grid_z, block_x, block_y, block_z, shared_bytes, stream,
              parameters);
}

GPUNODE_EXPORT CUresult cuMemcpy(CUdeviceptr to, CUdeviceptr from,
                                 std::size_t bytes) {
  return work_now(driver().cuMemcpy, nullptr, to, from, bytes);
}

GPUNODE_EXPORT CUresult cuMemcpy_ptds(CUdeviceptr to, CUdeviceptr from,
                                      std::size_t bytes) {
  return work_now(driver().cuMemcpy_ptds, stream_of(nullptr, Null::kOfThread),
                  to, from, bytes);
}

GPUNODE_EXPORT CUresult cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from,
                                      std::size_t bytes, CUstream stream) {
  return work(driver().cuMemcpyAsync, stream_of(stream, Null::kLegacy), to,
              from, bytes, stream);
}

GPUNODE_EXPORT CUresult cuMemcpyAsync_ptsz(CUdeviceptr to, CUdeviceptr from,
                                           std::size_t bytes, CUstream stream) {
  return work(driver().cuMemcpyAsync_ptsz, stream_of(stream, Null::kOfThread),
              to, from, bytes, stream);
}

GPUNODE_EXPORT CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from,
                                        std::size_t bytes) {
  return work_now(driver().cuMemcpyDtoD_v2, nullptr, to, from, bytes);
}

GPUNODE_EXPORT CUresult cuMemcpyDtoD_v2_ptds(CUdeviceptr to, CUdeviceptr from,
                                             std::size_t bytes) {
  return work_now(driver().cuMemcpyDtoD_v2_ptds,
                  stream_of(nullptr, Null::kOfThread), to, from, bytes);
}

GPUNODE_EXPORT CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from,
                                             std::size_t bytes,
                                             CUstream stream) {
  return work(driver().cuMemcpyDtoDAsync_v2, stream_of(stream, Null::kLegacy),
              to, from, bytes, stream);
}

GPUNODE_EXPORT CUresult cuMemcpyDtoDAsync_v2_ptsz(CUdeviceptr to,
                                                  CUdeviceptr from,
                                                  std::size_t bytes,
                                                  CUstream stream) {
  return work(driver().cuMemcpyDtoDAsync_v2_ptsz,
              stream_of(stream, Null::kOfThread), to, from, bytes, stream);
}

GPUNODE_EXPORT CUresult cuMemsetD8_v2(CUdeviceptr to, unsigned char value,
                                      std::size_t count) {
  return work(driver().cuMemsetD8_v2, nullptr, to, value, count);
}

GPUNODE_EXPORT CUresult cuMemsetD8_v2_ptds(CUdeviceptr to, unsigned char value,
                                           std::size_t count) {
  return work(driver().cuMemsetD8_v2_ptds, stream_of(nullptr, Null::kOfThread),
              to, value, count);
}

GPUNODE_EXPORT CUresult cuMemsetD16_v2(CUdeviceptr to, unsigned short value,
                                       std::size_t count) {
  return work(driver().cuMemsetD16_v2, nullptr, to, value, count);
}

GPUNODE_EXPORT CUresult cuMemsetD16_v2_ptds(CUdeviceptr to,
                                            unsigned short value,
                                            std::size_t count) {
  return work(driver().cuMemsetD16_v2_ptds, stream_of(nullptr, Null::kOfThread),
              to, value, count);
}

GPUNODE_EXPORT CUresult cuMemsetD32_v2(CUdeviceptr to, unsigned value,
                                       std::size_t count) {
  return work(driver().cuMemsetD32_v2, nullptr, to, value, count);
}

GPUNODE_EXPORT CUresult cuMemsetD32_v2_ptds(CUdeviceptr to, unsigned value,
                                            std::size_t count) {
  return work(driver().cuMemsetD32_v2_ptds, stream_of(nullptr, Null::kOfThread),
              to, value, count);
}

GPUNODE_EXPORT CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value,
                                        std::size_t count, CUstream stream) {
  return work(driver().cuMemsetD8Async, stream_of(stream, Null::kLegacy), to,
              value, count, stream);
}

GPUNODE_EXPORT CUresult cuMemsetD8Async_ptsz(CUdeviceptr to,
                                             unsigned char value,
                                             std::size_t count,
                                             CUstream stream) {
  return work(driver().cuMemsetD8Async_ptsz, stream_of(stream, Null::kOfThread),
              to, value, count, stream);
}

GPUNODE_EXPORT CUresult cuMemsetD16Async(CUdeviceptr to, unsigned short value,
                                         std::size_t count, CUstream stream) {
  return work(driver().cuMemsetD16Async, stream_of(stream, Null::kLegacy), to,
              value, count, stream);
}

GPUNODE_EXPORT CUresult cuMemsetD16Async_ptsz(CUdeviceptr to,
                                              unsigned short value,
                                              std::size_t count,
                                              CUstream stream) {
  return work(driver().cuMemsetD16Async_ptsz,
              stream_of(stream, Null::kOfThread), to, value, count, stream);
}

GPUNODE_EXPORT CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value,
                                         std::size_t count, CUstream stream) {
  return work(driver().cuMemsetD32Async, stream_of(stream, Null::kLegacy), to,
              value, count, stream);
}

GPUNODE_EXPORT CUresult cuMemsetD32Async_ptsz(CUdeviceptr to, unsigned value,
                                              std::size_t count,
                                              CUstream stream) {
  return work(driver().cuMemsetD32Async_ptsz,
              stream_of(stream, Null::kOfThread), to, value, count, stream);
}

GPUNODE_EXPORT CUresult cuMemsetD2D8_v2(CUdeviceptr to, std::size_t pitch,
                                        unsigned char value, std::size_t width,
                                        std::size_t height) {
  return work(driver().cuMemsetD2D8_v2, nullptr, to, pitch, value, width,
              height);
}

GPUNODE_EXPORT CUresult cuMemsetD2D8_v2_ptds(CUdeviceptr to, std::size_t pitch,
                                             unsigned char value,
                                             std::size_t width,
                                             std::size_t height) {
  return work(driver().cuMemsetD2D8_v2_ptds,
              stream_of(nullptr, Null::kOfThread), to, pitch, value, width,
              height);
}

GPUNODE_EXPORT CUresult cuMemsetD2D16_v2(CUdeviceptr to, std::size_t pitch,
                                         unsigned short value,
                                         std::size_t width,
                                         std::size_t height) {
  return work(driver().cuMemsetD2D16_v2, nullptr, to, pitch, value, width,
              height);
}

GPUNODE_EXPORT CUresult cuMemsetD2D16_v2_ptds(CUdeviceptr to, std::size_t pitch,
                                              unsigned short value,
                                              std::size_t width,
                                              std::size_t height) {
  return work(driver().cuMemsetD2D16_v2_ptds,
              stream_of(nullptr, Null::kOfThread), to, pitch, value, width,
              height);
}

GPUNODE_EXPORT CUresult cuMemsetD2D32_v2(CUdeviceptr to, std::size_t pitch,
                                         unsigned value, std::size_t width,
                                         std::size_t height) {
  return work(driver().cuMemsetD2D32_v2, nullptr, to, pitch, value, width,
              height);
}

GPUNODE_EXPORT CUresult cuMemsetD2D32_v2_ptds(CUdeviceptr to, std::size_t pitch,
                                              unsigned value, std::size_t width,
                                              std::size_t height) {
  return work(driver().cuMemsetD2D32_v2_ptds,
              stream_of(nullptr, Null::kOfThread), to, pitch, value, width,
              height);
}

GPUNODE_EXPORT CUresult cuMemsetD2D8Async(CUdeviceptr to, std::size_t pitch,
                                          unsigned char value,
                                          std::size_t width, std::size_t height,
                                          CUstream stream) {
  return work(driver().cuMemsetD2D8Async, stream_of(stream, Null::kLegacy), to,
              pitch, value, width, height, stream);
}

GPUNODE_EXPORT CUresult
cuMemsetD2D8Async_ptsz(CUdeviceptr to, std::size_t pitch, unsigned char value,
                       std::size_t width, std::size_t height, CUstream stream) {
  return work(driver().cuMemsetD2D8Async_ptsz,
              stream_of(stream, Null::kOfThread), to, pitch, value, width,
              height, stream);
}

GPUNODE_EXPORT CUresult cuMemsetD2D16Async(CUdeviceptr to, std::size_t pitch,
                                           unsigned short value,
                                           std::size_t width,
                                           std::size_t height,
                                           CUstream stream) {
  return work(driver().cuMemsetD2D16Async, stream_of(stream, Null::kLegacy), to,
              pitch, value, width, height, stream);
}

GPUNODE_EXPORT CUresult cuMemsetD2D16Async_ptsz(
    CUdeviceptr to, std::size_t pitch, unsigned short value, std::size_t width,
    std::size_t height, CUstream stream) {
  return work(driver().cuMemsetD2D16Async_ptsz,
              stream_of(stream, Null::kOfThread), to, pitch, value, width,
              height, stream);
}

GPUNODE_EXPORT CUresult cuMemsetD2D32Async(CUdeviceptr to, std::size_t pitch,
                                           unsigned value, std::size_t width,
                                           std::size_t height,
                                           CUstream stream) {
  return work(driver().cuMemsetD2D32Async, stream_of(stream, Null::kLegacy), to,
              pitch, value, width, height, stream);
}

GPUNODE_EXPORT CUresult cuMemsetD2D32Async_ptsz(
    CUdeviceptr to, std::size_t pitch, unsigned value, std::size_t width,
    std::size_t height, CUstream stream) {
  return work(driver().cuMemsetD2D32Async_ptsz,
              stream_of(stream, Null::kOfThread), to, pitch, value, width,
              height, stream);
}

}  // namespace gpunode::abi
