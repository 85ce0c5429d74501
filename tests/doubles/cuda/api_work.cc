// Other forms of launches, copies and fills; words that streams write;
// captures, of which nothing is kept.
#include <algorithm>
#include <bit>

#include "gpu/abi/cuda_memory.h"
#include "gpu/abi/cuda_work.h"
#include "tests/doubles/cuda/runtime.h"
#include "tests/doubles/cuda/stream.h"

namespace gpunode::abi {

using fake_cuda::Context;
using fake_cuda::enter_context;
using fake_cuda::is_stream;
using fake_cuda::of_thread;
using fake_cuda::Runtime;

CUresult cuLaunchKernel_ptsz(CUfunction function, unsigned grid_x,
                             unsigned grid_y, unsigned grid_z, unsigned block_x,
                             unsigned block_y, unsigned block_z,
                             unsigned shared_bytes, CUstream stream,
                             void** parameters, void** extra) {
  return cuLaunchKernel(function, grid_x, grid_y, grid_z, block_x, block_y,
                        block_z, shared_bytes, of_thread(stream), parameters,
                        extra);
}

CUresult cuLaunchKernelEx(const CUlaunchConfig* config, CUfunction function,
                          void** parameters, void** extra) {
  if (config == nullptr) return CUDA_ERROR_INVALID_VALUE;
  return cuLaunchKernel(function, config->gridDimX, config->gridDimY,
                        config->gridDimZ, config->blockDimX, config->blockDimY,
                        config->blockDimZ, config->sharedMemBytes,
                        config->hStream, parameters, extra);
}

CUresult cuLaunchKernelEx_ptsz(const CUlaunchConfig* config,
                               CUfunction function, void** parameters,
                               void** extra) {
  if (config == nullptr) return CUDA_ERROR_INVALID_VALUE;
  CUlaunchConfig own = *config;
  own.hStream = of_thread(own.hStream);
  return cuLaunchKernelEx(&own, function, parameters, extra);
}

CUresult cuLaunchCooperativeKernel(CUfunction function, unsigned grid_x,
                                   unsigned grid_y, unsigned grid_z,
                                   unsigned block_x, unsigned block_y,
                                   unsigned block_z, unsigned shared_bytes,
                                   CUstream stream, void** parameters) {
  return cuLaunchKernel(function, grid_x, grid_y, grid_z, block_x, block_y,
                        block_z, shared_bytes, stream, parameters, nullptr);
}

CUresult cuLaunchCooperativeKernel_ptsz(CUfunction function, unsigned grid_x,
                                        unsigned grid_y, unsigned grid_z,
                                        unsigned block_x, unsigned block_y,
                                        unsigned block_z, unsigned shared_bytes,
                                        CUstream stream, void** parameters) {
  return cuLaunchCooperativeKernel(function, grid_x, grid_y, grid_z, block_x,
                                   block_y, block_z, shared_bytes,
                                   of_thread(stream), parameters);
}

CUresult cuMemcpy_ptds(CUdeviceptr to, CUdeviceptr from, std::size_t bytes) {
  return cuMemcpy(to, from, bytes);
}

CUresult cuMemcpyAsync_ptsz(CUdeviceptr to, CUdeviceptr from, std::size_t bytes,
                            CUstream stream) {
  return cuMemcpyAsync(to, from, bytes, of_thread(stream));
}

CUresult cuMemcpyDtoD_v2_ptds(CUdeviceptr to, CUdeviceptr from,
                              std::size_t bytes) {
  return cuMemcpyDtoD_v2(to, from, bytes);
}

CUresult cuMemcpyDtoDAsync_v2_ptsz(CUdeviceptr to, CUdeviceptr from,
                                   std::size_t bytes, CUstream stream) {
  return cuMemcpyDtoDAsync_v2(to, from, bytes, of_thread(stream));
}

CUresult cuMemsetD8_v2_ptds(CUdeviceptr to, unsigned char value,
                            std::size_t count) {
  return cuMemsetD8_v2(to, value, count);
}

CUresult cuMemsetD16_v2_ptds(CUdeviceptr to, unsigned short value,
                             std::size_t count) {
  return cuMemsetD16_v2(to, value, count);
}

CUresult cuMemsetD32_v2_ptds(CUdeviceptr to, unsigned value,
                             std::size_t count) {
  return cuMemsetD32_v2(to, value, count);
}

CUresult cuMemsetD8Async_ptsz(CUdeviceptr to, unsigned char value,
                              std::size_t count, CUstream stream) {
  return cuMemsetD8Async(to, value, count, of_thread(stream));
}

CUresult cuMemsetD16Async(CUdeviceptr to, unsigned short value,
                          std::size_t count, CUstream /*stream*/) {
  return cuMemsetD16_v2(to, value, count);
}

CUresult cuMemsetD16Async_ptsz(CUdeviceptr to, unsigned short value,
                               std::size_t count, CUstream stream) {
  return cuMemsetD16Async(to, value, count, of_thread(stream));
}

CUresult cuMemsetD32Async_ptsz(CUdeviceptr to, unsigned value,
                               std::size_t count, CUstream stream) {
  return cuMemsetD32Async(to, value, count, of_thread(stream));
}

CUresult cuMemHostRegister_v2(void* memory, std::size_t bytes,
                              unsigned /*flags*/) {
  return enter_context("cuMemHostRegister_v2", [&](Runtime& runtime,
                                                   Context& context) {
    if (memory == nullptr || bytes == 0) return CUDA_ERROR_INVALID_VALUE;
    const bool is_new = runtime.work.known
                            .emplace(std::bit_cast<std::uint64_t>(memory),
                                     fake_cuda::Work::Known{bytes, &context})
                            .second;
    return is_new ? CUDA_SUCCESS : CUDA_ERROR_UNKNOWN;
  });
}

CUresult cuMemHostUnregister(void* memory) {
  return enter_context("cuMemHostUnregister", [&](Runtime& runtime, Context&) {
    return runtime.work.known.erase(std::bit_cast<std::uint64_t>(memory)) != 0
               ? CUDA_SUCCESS
               : CUDA_ERROR_INVALID_VALUE;
  });
}

CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr* address, void* memory,
                                      unsigned /*flags*/) {
  return enter_context(
      "cuMemHostGetDevicePointer_v2", [&](Runtime& runtime, Context&) {
        const auto place = std::bit_cast<std::uint64_t>(memory);
        if (address == nullptr || !runtime.work.knows(place)) {
          return CUDA_ERROR_INVALID_VALUE;
        }
        *address = place;
        return CUDA_SUCCESS;
      });
}

CUresult cuStreamWriteValue32_v2(CUstream stream, CUdeviceptr address,
                                 std::uint32_t value, unsigned /*flags*/) {
  return enter_context(
      "cuStreamWriteValue32_v2", [&](Runtime& runtime, Context& context) {
        if (!is_stream(context, stream)) return CUDA_ERROR_INVALID_HANDLE;
        if (runtime.work.captured.contains(stream)) return CUDA_ERROR_UNKNOWN;
        // On a GPU the next call would tell of it.
        if (!runtime.work.knows(address)) return CUDA_ERROR_ILLEGAL_ADDRESS;
        runtime.work.add(
            {stream, false, std::bit_cast<std::uint32_t*>(address), value});
        return CUDA_SUCCESS;
      });
}

CUresult cuStreamWaitValue32_v2(CUstream stream, CUdeviceptr address,
                                std::uint32_t value, unsigned flags) {
  return enter_context(
      "cuStreamWaitValue32_v2", [&](Runtime& runtime, Context& context) {
        if (!is_stream(context, stream)) return CUDA_ERROR_INVALID_HANDLE;
        if (flags != CU_STREAM_WAIT_VALUE_GEQ) return CUDA_ERROR_INVALID_VALUE;
        if (runtime.work.captured.contains(stream)) return CUDA_ERROR_UNKNOWN;
        if (!runtime.work.knows(address)) return CUDA_ERROR_ILLEGAL_ADDRESS;
        runtime.work.add(
            {stream, true, std::bit_cast<std::uint32_t*>(address), value});
        return CUDA_SUCCESS;
      });
}

CUresult cuStreamBeginCapture_v2(CUstream stream,
                                 CUstreamCaptureMode /*mode*/) {
  return enter_context("cuStreamBeginCapture_v2",
                       [&](Runtime& runtime, Context& context) {
                         if (stream == nullptr || !is_stream(context, stream) ||
                             !runtime.work.captured.insert(stream).second) {
                           return CUDA_ERROR_INVALID_VALUE;
                         }
                         return CUDA_SUCCESS;
                       });
}

CUresult cuStreamEndCapture(CUstream stream, CUgraph* graph) {
  const CUresult ended =
      enter_context("cuStreamEndCapture", [&](Runtime& runtime, Context&) {
        return graph != nullptr && runtime.work.captured.erase(stream) != 0
                   ? CUDA_SUCCESS
                   : CUDA_ERROR_INVALID_VALUE;
      });
  return ended == CUDA_SUCCESS ? cuGraphCreate(graph, 0) : ended;
}

}  // namespace gpunode::abi

extern "C" void gpunode_fake_cuda_hold_work(int is_held) {
  gpunode::fake_cuda::Runtime& runtime =
      gpunode::fake_cuda::Runtime::of_process();
  const std::lock_guard lock(runtime.mutex);
  runtime.work.hold(is_held != 0);
}
