// Physical memory by handle, and where it is mapped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

namespace gpunode::fake_cuda {

/// It lives while a handle or a mapping is left of it.
struct Physical {
  std::uint64_t bytes = 0;
  std::size_t device = 0;
  std::uint64_t references = 1;
  std::uint64_t mappings = 0;
  bool is_foreign = false;  ///< Another process made it and pays for it.
};

struct Mapping {
  std::uint64_t bytes = 0;
  std::uint64_t handle = 0;
};

struct VirtualMemory {
  std::uint64_t last_handle = 0;
  std::map<std::uint64_t, Physical> physicals;      ///< By handle.
  std::map<std::uint64_t, Mapping> mappings;        ///< By address.
  std::map<std::uint64_t, std::uint64_t> reserved;  ///< Bytes by address.
};

}  // namespace gpunode::fake_cuda
