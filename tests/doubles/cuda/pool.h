// Memory pools. One grows by steps of 32 MiB for what fits into none of its
// steps, and keeps what is free until its program waits for its work.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace gpunode::fake_cuda {

struct Context;

/// Its address is the CUmemoryPool.
struct Pool {
  struct Step {
    std::uint64_t bytes = 0;
    std::uint64_t used = 0;
  };
  std::size_t device = 0;
  bool is_default = false;
  bool is_destroyed = false;  ///< Lives until nothing of it is in use.
  std::uint64_t threshold = 0;
  std::vector<std::unique_ptr<Step>> steps;

  std::uint64_t reserved() const;
  std::uint64_t used() const;
};

/// What lies where in which pool.
struct PoolUse {
  Pool* pool = nullptr;
  Pool::Step* step = nullptr;
  std::uint64_t bytes = 0;
  const Context* owner = nullptr;
};

struct Pools {
  std::vector<std::unique_ptr<Pool>> all;
  std::map<std::size_t, Pool*> current;     ///< By device.
  std::map<std::uint64_t, PoolUse> in_use;  ///< By address.
};

}  // namespace gpunode::fake_cuda
