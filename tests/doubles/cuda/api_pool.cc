// Stream-ordered memory and its pools. Work is done when it is submitted, but
// what is freed stays in its pool until somebody waits.
#include <algorithm>
#include <bit>

#include "gpu/abi/cuda_memory.h"
#include "tests/doubles/cuda/runtime.h"
#include "tests/doubles/cuda/stream.h"

namespace gpunode::fake_cuda {

std::uint64_t Pool::reserved() const {
  std::uint64_t sum = 0;
  for (const auto& step : steps) sum += step->bytes;
  return sum;
}

std::uint64_t Pool::used() const {
  std::uint64_t sum = 0;
  for (const auto& step : steps) sum += step->used;
  return sum;
}

void Runtime::trim(Pool* pool, std::uint64_t keep) {
  for (auto it = pool->steps.begin(); it != pool->steps.end();) {
    if ((*it)->used == 0 && pool->reserved() > keep) {
      memory.give(pool->device, (*it)->bytes);
      it = pool->steps.erase(it);
    } else {
      ++it;
    }
  }
}

void Runtime::return_unused() {
  for (const auto& pool : pools.all) trim(pool.get(), pool->threshold);
}

bool Runtime::free_of_pool(std::uint64_t address) {
  const auto found = pools.in_use.find(address);
  if (found == pools.in_use.end()) return false;
  const PoolUse use = found->second;
  pools.in_use.erase(found);
  memory.release(address);
  use.step->used -= use.bytes;
  if (use.pool->is_destroyed) trim(use.pool, 0);
  return true;
}

Pool* Runtime::default_pool(std::size_t device) {
  for (const auto& pool : pools.all) {
    if (pool->is_default && pool->device == device) return pool.get();
  }
  auto pool = std::make_unique<Pool>();
  pool->device = device;
  pool->is_default = true;
  return pools.all.emplace_back(std::move(pool)).get();
}

Pool* Runtime::current_pool(std::size_t device) {
  Pool*& pool = pools.current[device];
  if (pool == nullptr) pool = default_pool(device);
  return pool;
}

Pool* Runtime::find_pool(abi::CUmemoryPool handle) const {
  for (const auto& pool : pools.all) {
    if (std::bit_cast<abi::CUmemoryPool>(pool.get()) == handle) {
      return pool->is_destroyed ? nullptr : pool.get();
    }
  }
  return nullptr;
}

}  // namespace gpunode::fake_cuda

namespace gpunode::abi {

using fake_cuda::Allocation;
using fake_cuda::Context;
using fake_cuda::enter_context;
using fake_cuda::enter_initialised;
using fake_cuda::is_stream;
using fake_cuda::Pool;
using fake_cuda::Runtime;

namespace {

constexpr std::uint64_t kStep = 32U << 20;
constexpr std::uint64_t kPiece = 512;

Pool::Step* step_for(Runtime& runtime, Pool* pool, std::uint64_t bytes) {
  for (const auto& step : pool->steps) {
    if (step->bytes - step->used >= bytes) return step.get();
  }
  const std::uint64_t total = runtime.devices[pool->device].memory_bytes;
  if (bytes > total) return nullptr;
  const std::uint64_t more = (bytes + kStep - 1) / kStep * kStep;
  if (!runtime.memory.take(pool->device, more, total)) return nullptr;
  auto step = std::make_unique<Pool::Step>();
  step->bytes = more;
  return pool->steps.emplace_back(std::move(step)).get();
}

CUresult allocate(Runtime& runtime, Context& context, Pool* pool,
                  CUdeviceptr* address, std::size_t bytes, CUstream stream) {
  if (!is_stream(context, stream)) return CUDA_ERROR_INVALID_HANDLE;
  if (address == nullptr || bytes == 0 || pool == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const std::uint64_t size = (bytes + kPiece - 1) / kPiece * kPiece;
  Pool::Step* step = step_for(runtime, pool, size);
  if (step == nullptr) return CUDA_ERROR_OUT_OF_MEMORY;
  const Allocation* made = runtime.memory.allocate(
      {bytes, Allocation::Kind::kDevice, &context, pool->device, true});
  if (made == nullptr) return CUDA_ERROR_OUT_OF_MEMORY;
  step->used += size;
  *address = made->address;
  runtime.pools.in_use[*address] = {pool, step, size, &context};
  return CUDA_SUCCESS;
}

CUresult allocate_async(const char* call, CUdeviceptr* address,
                        std::size_t bytes, CUstream stream) {
  return enter_context(call, [&](Runtime& runtime, Context& context) {
    return allocate(runtime, context, runtime.current_pool(context.device),
                    address, bytes, stream);
  });
}

CUresult allocate_from(const char* call, CUdeviceptr* address,
                       std::size_t bytes, CUmemoryPool pool, CUstream stream) {
  return enter_context(call, [&](Runtime& runtime, Context& context) {
    return allocate(runtime, context, runtime.find_pool(pool), address, bytes,
                    stream);
  });
}

CUresult free_async(const char* call, CUdeviceptr address, CUstream stream) {
  return enter_context(call, [&](Runtime& runtime, Context& context) {
    if (!is_stream(context, stream)) return CUDA_ERROR_INVALID_HANDLE;
    const Allocation* found = runtime.memory.find(address, 1);
    if (found == nullptr || found->address != address ||
        found->kind == Allocation::Kind::kHost) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (!runtime.free_of_pool(address)) runtime.memory.release(address);
    return CUDA_SUCCESS;
  });
}

}  // namespace

CUresult cuMemAllocAsync(CUdeviceptr* address, std::size_t bytes,
                         CUstream stream) {
  return allocate_async("cuMemAllocAsync", address, bytes, stream);
}

CUresult cuMemAllocAsync_ptsz(CUdeviceptr* address, std::size_t bytes,
                              CUstream stream) {
  return allocate_async("cuMemAllocAsync_ptsz", address, bytes, stream);
}

CUresult cuMemAllocFromPoolAsync(CUdeviceptr* address, std::size_t bytes,
                                 CUmemoryPool pool, CUstream stream) {
  return allocate_from("cuMemAllocFromPoolAsync", address, bytes, pool, stream);
}

CUresult cuMemAllocFromPoolAsync_ptsz(CUdeviceptr* address, std::size_t bytes,
                                      CUmemoryPool pool, CUstream stream) {
  return allocate_from("cuMemAllocFromPoolAsync_ptsz", address, bytes, pool,
                       stream);
}

CUresult cuMemFreeAsync(CUdeviceptr address, CUstream stream) {
  return free_async("cuMemFreeAsync", address, stream);
}

CUresult cuMemFreeAsync_ptsz(CUdeviceptr address, CUstream stream) {
  return free_async("cuMemFreeAsync_ptsz", address, stream);
}

CUresult cuMemPoolCreate(CUmemoryPool* pool, const CUmemPoolProps* properties) {
  return enter_initialised("cuMemPoolCreate", [&](Runtime& runtime) {
    if (pool == nullptr || properties == nullptr ||
        properties->allocType != CU_MEM_ALLOCATION_TYPE_PINNED ||
        properties->location.type != CU_MEM_LOCATION_TYPE_DEVICE) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (!runtime.has_device(properties->location.id)) {
      return CUDA_ERROR_INVALID_DEVICE;
    }
    auto made = std::make_unique<Pool>();
    made->device = static_cast<std::size_t>(properties->location.id);
    *pool = std::bit_cast<CUmemoryPool>(made.get());
    runtime.pools.all.push_back(std::move(made));
    return CUDA_SUCCESS;
  });
}

CUresult cuMemPoolDestroy(CUmemoryPool pool) {
  return enter_initialised("cuMemPoolDestroy", [&](Runtime& runtime) {
    Pool* found = runtime.find_pool(pool);
    if (found == nullptr || found->is_default) return CUDA_ERROR_INVALID_VALUE;
    for (auto& [device, current] : runtime.pools.current) {
      if (current == found) current = nullptr;
    }
    found->is_destroyed = true;
    found->threshold = 0;
    runtime.trim(found, 0);
    return CUDA_SUCCESS;
  });
}

CUresult cuMemPoolTrimTo(CUmemoryPool pool, std::size_t bytes) {
  return enter_initialised("cuMemPoolTrimTo", [&](Runtime& runtime) {
    Pool* found = runtime.find_pool(pool);
    if (found == nullptr) return CUDA_ERROR_INVALID_VALUE;
    runtime.trim(found, bytes);
    return CUDA_SUCCESS;
  });
}

CUresult cuMemPoolGetAttribute(CUmemoryPool pool, CUmemPool_attribute attribute,
                               void* value) {
  return enter_initialised("cuMemPoolGetAttribute", [&](Runtime& runtime) {
    const Pool* found = runtime.find_pool(pool);
    if (found == nullptr || value == nullptr) return CUDA_ERROR_INVALID_VALUE;
    auto* number = static_cast<std::uint64_t*>(value);
    switch (attribute) {
      case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD:
        *number = found->threshold;
        return CUDA_SUCCESS;
      case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT:
        *number = found->reserved();
        return CUDA_SUCCESS;
      case CU_MEMPOOL_ATTR_USED_MEM_CURRENT:
        *number = found->used();
        return CUDA_SUCCESS;
    }
    return CUDA_ERROR_INVALID_VALUE;
  });
}

CUresult cuMemPoolSetAttribute(CUmemoryPool pool, CUmemPool_attribute attribute,
                               void* value) {
  return enter_initialised("cuMemPoolSetAttribute", [&](Runtime& runtime) {
    Pool* found = runtime.find_pool(pool);
    if (found == nullptr || value == nullptr ||
        attribute != CU_MEMPOOL_ATTR_RELEASE_THRESHOLD) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    found->threshold = *static_cast<std::uint64_t*>(value);
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGetDefaultMemPool(CUmemoryPool* pool, CUdevice device) {
  return enter_initialised("cuDeviceGetDefaultMemPool", [&](Runtime& runtime) {
    if (pool == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (!runtime.has_device(device)) return CUDA_ERROR_INVALID_DEVICE;
    *pool = std::bit_cast<CUmemoryPool>(
        runtime.default_pool(static_cast<std::size_t>(device)));
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGetMemPool(CUmemoryPool* pool, CUdevice device) {
  return enter_initialised("cuDeviceGetMemPool", [&](Runtime& runtime) {
    if (pool == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (!runtime.has_device(device)) return CUDA_ERROR_INVALID_DEVICE;
    *pool = std::bit_cast<CUmemoryPool>(
        runtime.current_pool(static_cast<std::size_t>(device)));
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceSetMemPool(CUdevice device, CUmemoryPool pool) {
  return enter_initialised("cuDeviceSetMemPool", [&](Runtime& runtime) {
    Pool* found = runtime.find_pool(pool);
    if (!runtime.has_device(device) || found == nullptr ||
        found->device != static_cast<std::size_t>(device)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    runtime.pools.current[found->device] = found;
    return CUDA_SUCCESS;
  });
}

}  // namespace gpunode::abi
