// Virtual memory management: physical memory, addresses, and mappings. Kernels
// and copies do not reach what is mapped.
#include <sys/mman.h>
#include <unistd.h>

#include <bit>

#include "gpu/abi/cuda_memory.h"
#include "tests/doubles/cuda/runtime.h"
#include "tests/doubles/cuda/shared_memory.h"

namespace gpunode::abi {

using fake_cuda::enter_initialised;
using fake_cuda::Mapping;
using fake_cuda::Physical;
using fake_cuda::Runtime;

namespace {

constexpr std::size_t kGranule = 2U << 20;

Physical* find(Runtime& runtime, std::uint64_t handle) {
  const auto found = runtime.virtual_memory.physicals.find(handle);
  return found == runtime.virtual_memory.physicals.end() ? nullptr
                                                         : &found->second;
}

void drop_if_unused(Runtime& runtime, std::uint64_t handle) {
  const Physical* physical = find(runtime, handle);
  if (physical->references != 0 || physical->mappings != 0) return;
  if (!physical->is_foreign) {
    runtime.memory.give(physical->device, physical->bytes);
  }
  runtime.virtual_memory.physicals.erase(handle);
}

/// The whole of [address, address + bytes) is mappings, none cut.
bool is_mapped(const Runtime& runtime, std::uint64_t address,
               std::uint64_t bytes) {
  const std::uint64_t end = address + bytes;
  while (address < end) {
    const auto found = runtime.virtual_memory.mappings.find(address);
    if (found == runtime.virtual_memory.mappings.end()) return false;
    address += found->second.bytes;
  }
  return address == end;
}

bool is_reserved(const Runtime& runtime, std::uint64_t address,
                 std::uint64_t bytes) {
  const auto& reserved = runtime.virtual_memory.reserved;
  auto found = reserved.upper_bound(address);
  if (found == reserved.begin()) return false;
  --found;
  return address - found->first + bytes <= found->second;
}

}  // namespace

CUresult cuMemAddressReserve(CUdeviceptr* address, std::size_t bytes,
                             std::size_t /*alignment*/, CUdeviceptr /*wanted*/,
                             std::uint64_t flags) {
  return enter_initialised("cuMemAddressReserve", [&](Runtime& runtime) {
    if (address == nullptr || bytes == 0 || bytes % kGranule != 0 ||
        flags != 0) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    void* range = ::mmap(nullptr, bytes, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (range == MAP_FAILED) return CUDA_ERROR_OUT_OF_MEMORY;
    *address = std::bit_cast<CUdeviceptr>(range);
    runtime.virtual_memory.reserved.emplace(*address, bytes);
    return CUDA_SUCCESS;
  });
}

CUresult cuMemAddressFree(CUdeviceptr address, std::size_t bytes) {
  return enter_initialised("cuMemAddressFree", [&](Runtime& runtime) {
    auto& reserved = runtime.virtual_memory.reserved;
    const auto found = reserved.find(address);
    if (found == reserved.end() || found->second != bytes) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    reserved.erase(found);
    ::munmap(std::bit_cast<void*>(address), bytes);
    return CUDA_SUCCESS;
  });
}

CUresult cuMemCreate(CUmemGenericAllocationHandle* handle, std::size_t bytes,
                     const CUmemAllocationProp* properties,
                     std::uint64_t flags) {
  return enter_initialised("cuMemCreate", [&](Runtime& runtime) {
    if (handle == nullptr || properties == nullptr || bytes == 0 ||
        bytes % kGranule != 0 || flags != 0 ||
        properties->type != CU_MEM_ALLOCATION_TYPE_PINNED ||
        properties->location.type != CU_MEM_LOCATION_TYPE_DEVICE) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (!runtime.has_device(properties->location.id)) {
      return CUDA_ERROR_INVALID_DEVICE;
    }
    const auto device = static_cast<std::size_t>(properties->location.id);
    if (!runtime.memory.take(device, bytes,
                             runtime.devices[device].memory_bytes)) {
      return CUDA_ERROR_OUT_OF_MEMORY;
    }
    *handle = ++runtime.virtual_memory.last_handle;
    runtime.virtual_memory.physicals.emplace(*handle, Physical{bytes, device});
    return CUDA_SUCCESS;
  });
}

CUresult cuMemRelease(CUmemGenericAllocationHandle handle) {
  return enter_initialised("cuMemRelease", [&](Runtime& runtime) {
    Physical* physical = find(runtime, handle);
    if (physical == nullptr || physical->references == 0) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    --physical->references;
    drop_if_unused(runtime, handle);
    return CUDA_SUCCESS;
  });
}

CUresult cuMemMap(CUdeviceptr address, std::size_t bytes, std::size_t offset,
                  CUmemGenericAllocationHandle handle, std::uint64_t flags) {
  return enter_initialised("cuMemMap", [&](Runtime& runtime) {
    Physical* physical = find(runtime, handle);
    if (physical == nullptr || physical->references == 0 || bytes == 0 ||
        bytes % kGranule != 0 || offset != 0 || bytes > physical->bytes ||
        flags != 0 || !is_reserved(runtime, address, bytes) ||
        runtime.virtual_memory.mappings.count(address) != 0) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    runtime.virtual_memory.mappings.emplace(address, Mapping{bytes, handle});
    ++physical->mappings;
    return CUDA_SUCCESS;
  });
}

CUresult cuMemUnmap(CUdeviceptr address, std::size_t bytes) {
  return enter_initialised("cuMemUnmap", [&](Runtime& runtime) {
    if (bytes == 0 || !is_mapped(runtime, address, bytes)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    auto& mappings = runtime.virtual_memory.mappings;
    const auto end = mappings.lower_bound(address + bytes);
    for (auto it = mappings.find(address); it != end;) {
      const std::uint64_t handle = it->second.handle;
      it = mappings.erase(it);
      --find(runtime, handle)->mappings;
      drop_if_unused(runtime, handle);
    }
    return CUDA_SUCCESS;
  });
}

CUresult cuMemSetAccess(CUdeviceptr address, std::size_t bytes,
                        const CUmemAccessDesc* descriptions,
                        std::size_t count) {
  return enter_initialised("cuMemSetAccess", [&](Runtime& runtime) {
    return descriptions == nullptr || count == 0 ||
                   !is_mapped(runtime, address, bytes)
               ? CUDA_ERROR_INVALID_VALUE
               : CUDA_SUCCESS;
  });
}

CUresult cuMemRetainAllocationHandle(CUmemGenericAllocationHandle* handle,
                                     void* address) {
  return enter_initialised(
      "cuMemRetainAllocationHandle", [&](Runtime& runtime) {
        const auto& mappings = runtime.virtual_memory.mappings;
        auto found = mappings.upper_bound(std::bit_cast<CUdeviceptr>(address));
        if (handle == nullptr || found == mappings.begin()) {
          return CUDA_ERROR_INVALID_VALUE;
        }
        --found;
        if (std::bit_cast<CUdeviceptr>(address) - found->first >=
            found->second.bytes) {
          return CUDA_ERROR_INVALID_VALUE;
        }
        *handle = found->second.handle;
        ++find(runtime, *handle)->references;
        return CUDA_SUCCESS;
      });
}

CUresult cuMemGetAllocationPropertiesFromHandle(
    CUmemAllocationProp* properties, CUmemGenericAllocationHandle handle) {
  return enter_initialised(
      "cuMemGetAllocationPropertiesFromHandle", [&](Runtime& runtime) {
        const Physical* physical = find(runtime, handle);
        if (properties == nullptr || physical == nullptr) {
          return CUDA_ERROR_INVALID_VALUE;
        }
        *properties = {};
        properties->type = CU_MEM_ALLOCATION_TYPE_PINNED;
        properties->location = {CU_MEM_LOCATION_TYPE_DEVICE,
                                static_cast<int>(physical->device)};
        return CUDA_SUCCESS;
      });
}

/// A file in memory that says what it is of.
CUresult cuMemExportToShareableHandle(void* shareable,
                                      CUmemGenericAllocationHandle handle,
                                      CUmemAllocationHandleType type,
                                      std::uint64_t /*flags*/) {
  return enter_initialised(
      "cuMemExportToShareableHandle", [&](Runtime& runtime) {
        const Physical* physical = find(runtime, handle);
        if (shareable == nullptr || physical == nullptr ||
            type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) {
          return CUDA_ERROR_INVALID_VALUE;
        }
        const int fd = fake_cuda::share_memory(
            {::getpid(), handle, physical->bytes, physical->device});
        if (fd < 0) return CUDA_ERROR_OPERATING_SYSTEM;
        *static_cast<int*>(shareable) = fd;
        return CUDA_SUCCESS;
      });
}

CUresult cuMemImportFromShareableHandle(CUmemGenericAllocationHandle* handle,
                                        void* shareable,
                                        CUmemAllocationHandleType type) {
  return enter_initialised(
      "cuMemImportFromShareableHandle", [&](Runtime& runtime) {
        const auto fd =
            static_cast<int>(std::bit_cast<std::intptr_t>(shareable));
        fake_cuda::SharedMemory shared = {};
        if (handle == nullptr ||
            type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR ||
            !fake_cuda::read_shared_memory(fd, &shared) ||
            shared.device >= runtime.devices.size()) {
          return CUDA_ERROR_INVALID_VALUE;
        }
        Physical* physical =
            shared.pid == ::getpid() ? find(runtime, shared.key) : nullptr;
        if (physical != nullptr) {
          ++physical->references;
          *handle = shared.key;
          return CUDA_SUCCESS;
        }
        *handle = ++runtime.virtual_memory.last_handle;
        runtime.virtual_memory.physicals.emplace(
            *handle, Physical{shared.bytes, shared.device, 1, 0, true});
        return CUDA_SUCCESS;
      });
}

}  // namespace gpunode::abi
