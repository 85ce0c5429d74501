// Memory: given, taken back, asked about.
#include <bit>

#include "tests/doubles/cuda/runtime.h"

namespace gpunode::abi {

using fake_cuda::Allocation;
using fake_cuda::Context;
using fake_cuda::enter_context;
using fake_cuda::Runtime;

namespace {

constexpr std::size_t kPitchBytes = 512;

CUresult allocate(Runtime& runtime, const Context& context,
                  Allocation::Kind kind, std::size_t bytes,
                  CUdeviceptr* address) {
  if (address == nullptr || bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  const std::uint64_t total = runtime.devices[context.device].memory_bytes;
  // The first test keeps the sum of the second from wrapping.
  if (kind != Allocation::Kind::kHost &&
      (bytes > total ||
       runtime.memory.used_bytes_with(context.device, bytes) > total)) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  const Allocation* made =
      runtime.memory.allocate({bytes, kind, &context, context.device});
  if (made == nullptr) return CUDA_ERROR_OUT_OF_MEMORY;
  *address = made->address;
  return CUDA_SUCCESS;
}

CUresult release(Runtime& runtime, CUdeviceptr address, bool is_host) {
  const Allocation* found = runtime.memory.find(address, 1);
  if (found == nullptr || found->address != address ||
      (found->kind == Allocation::Kind::kHost) != is_host) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  runtime.memory.release(address);
  return CUDA_SUCCESS;
}

CUresult allocate_host(Runtime& runtime, const Context& context,
                       std::size_t bytes, void** memory) {
  if (memory == nullptr) return CUDA_ERROR_INVALID_VALUE;
  CUdeviceptr address = 0;
  const CUresult result =
      allocate(runtime, context, Allocation::Kind::kHost, bytes, &address);
  if (result == CUDA_SUCCESS) *memory = std::bit_cast<void*>(address);
  return result;
}

}  // namespace

CUresult cuMemGetInfo_v2(std::size_t* free, std::size_t* total) {
  return enter_context(
      "cuMemGetInfo_v2", [&](Runtime& runtime, Context& context) {
        if (free == nullptr || total == nullptr) {
          return CUDA_ERROR_INVALID_VALUE;
        }
        *total = runtime.devices[context.device].memory_bytes;
        *free = *total - runtime.memory.used_bytes(context.device);
        return CUDA_SUCCESS;
      });
}

CUresult cuMemAlloc_v2(CUdeviceptr* address, std::size_t bytes) {
  return enter_context(
      "cuMemAlloc_v2", [&](Runtime& runtime, Context& context) {
        return allocate(runtime, context, Allocation::Kind::kDevice, bytes,
                        address);
      });
}

CUresult cuMemAllocPitch_v2(CUdeviceptr* address, std::size_t* pitch,
                            std::size_t width_bytes, std::size_t height,
                            unsigned element_bytes) {
  return enter_context("cuMemAllocPitch_v2", [&](Runtime& runtime,
                                                 Context& context) {
    if (pitch == nullptr || width_bytes == 0 || height == 0 ||
        (element_bytes != 4 && element_bytes != 8 && element_bytes != 16)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (width_bytes > SIZE_MAX - kPitchBytes) {
      return CUDA_ERROR_OUT_OF_MEMORY;
    }
    const std::size_t wanted =
        (width_bytes + kPitchBytes - 1) / kPitchBytes * kPitchBytes;
    if (height > SIZE_MAX / wanted) return CUDA_ERROR_OUT_OF_MEMORY;
    const CUresult result = allocate(
        runtime, context, Allocation::Kind::kDevice, wanted * height, address);
    if (result == CUDA_SUCCESS) *pitch = wanted;
    return result;
  });
}

CUresult cuMemAllocManaged(CUdeviceptr* address, std::size_t bytes,
                           unsigned flags) {
  return enter_context(
      "cuMemAllocManaged", [&](Runtime& runtime, Context& context) {
        if (flags != CU_MEM_ATTACH_GLOBAL && flags != CU_MEM_ATTACH_HOST) {
          return CUDA_ERROR_INVALID_VALUE;
        }
        return allocate(runtime, context, Allocation::Kind::kManaged, bytes,
                        address);
      });
}

CUresult cuMemFree_v2(CUdeviceptr address) {
  return enter_context("cuMemFree_v2", [&](Runtime& runtime, Context&) {
    if (address == 0) return CUDA_SUCCESS;
    // Waits for all work, and so returns what pools have free.
    if (!runtime.free_of_pool(address)) return release(runtime, address, false);
    runtime.return_unused();
    return CUDA_SUCCESS;
  });
}

CUresult cuMemAllocHost_v2(void** memory, std::size_t bytes) {
  return enter_context("cuMemAllocHost_v2",
                       [&](Runtime& runtime, Context& context) {
                         return allocate_host(runtime, context, bytes, memory);
                       });
}

CUresult cuMemHostAlloc(void** memory, std::size_t bytes, unsigned flags) {
  return enter_context("cuMemHostAlloc",
                       [&](Runtime& runtime, Context& context) {
                         // Portable, mapped and write-combined are all there
                         // is.
                         if ((flags & ~7U) != 0)
                           return CUDA_ERROR_INVALID_VALUE;
                         return allocate_host(runtime, context, bytes, memory);
                       });
}

CUresult cuMemFreeHost(void* memory) {
  return enter_context("cuMemFreeHost", [&](Runtime& runtime, Context&) {
    return release(runtime, std::bit_cast<CUdeviceptr>(memory), true);
  });
}

CUresult cuMemGetAddressRange_v2(CUdeviceptr* base, std::size_t* bytes,
                                 CUdeviceptr address) {
  return enter_context(
      "cuMemGetAddressRange_v2", [&](Runtime& runtime, Context&) {
        const Allocation* found = runtime.memory.find(address, 1);
        if (found == nullptr) return CUDA_ERROR_NOT_FOUND;
        if (base != nullptr) *base = found->address;
        if (bytes != nullptr) *bytes = found->bytes;
        return CUDA_SUCCESS;
      });
}

CUresult cuPointerGetAttribute(void* value, CUpointer_attribute attribute,
                               CUdeviceptr address) {
  return enter_context(
      "cuPointerGetAttribute", [&](Runtime& runtime, Context&) {
        const Allocation* found = runtime.memory.find(address, 1);
        if (value == nullptr || found == nullptr) {
          return CUDA_ERROR_INVALID_VALUE;
        }
        switch (attribute) {
          case CU_POINTER_ATTRIBUTE_CONTEXT:
            *static_cast<const Context**>(value) = found->owner;
            return CUDA_SUCCESS;
          case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
            *static_cast<unsigned*>(value) =
                found->kind == Allocation::Kind::kHost ? CU_MEMORYTYPE_HOST
                                                       : CU_MEMORYTYPE_DEVICE;
            return CUDA_SUCCESS;
          case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
            *static_cast<CUdeviceptr*>(value) = address;
            return CUDA_SUCCESS;
          case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
            *static_cast<int*>(value) = static_cast<int>(found->device);
            return CUDA_SUCCESS;
        }
        return CUDA_ERROR_INVALID_VALUE;
      });
}

}  // namespace gpunode::abi
