// Where the bytes of a copy lie.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>

#include "gpu/abi/cuda_memory.h"
#include "tests/doubles/cuda/runtime.h"

namespace gpunode::fake_cuda {

/// Where `bytes` at a device address lie, or null.
inline std::byte* device_bytes(const Runtime& runtime, abi::CUdeviceptr address,
                               std::size_t bytes) {
  const Allocation* found = runtime.memory.find(address, bytes);
  return found == nullptr ? nullptr : found->data + (address - found->address);
}

/// As cuMemcpy sees an address: the device's if it is in an allocation, the
/// host's if it touches none.
inline std::byte* any_bytes(const Runtime& runtime, abi::CUdeviceptr address,
                            std::size_t bytes) {
  if (runtime.memory.find(address, 1) != nullptr) {
    return device_bytes(runtime, address, bytes);
  }
  return std::bit_cast<std::byte*>(address);
}

inline abi::CUresult copy_bytes(std::byte* to, const std::byte* from,
                                std::size_t bytes) {
  if (bytes == 0) return abi::CUDA_SUCCESS;
  if (to == nullptr || from == nullptr) return abi::CUDA_ERROR_INVALID_VALUE;
  std::memmove(to, from, bytes);
  return abi::CUDA_SUCCESS;
}

inline bool is_array(const Runtime& runtime, abi::CUarray array) {
  return std::any_of(runtime.arrays.begin(), runtime.arrays.end(),
                     [&](const auto& one) {
                       return std::bit_cast<abi::CUarray>(one.get()) == array;
                     });
}

}  // namespace gpunode::fake_cuda
