// Contexts and what lives in them.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "gpu/abi/cuda.h"
#include "tests/doubles/cuda/ptx_module.h"

namespace gpunode::fake_cuda {

struct Context;

/// A kernel that was asked for by name; its address is the CUfunction.
struct Function {
  const ptx::Kernel* kernel = nullptr;
  Context* context = nullptr;
};

/// A module; its address is the CUmodule.
struct LoadedModule {
  ptx::Module module;
  std::vector<std::unique_ptr<Function>> functions;
};

/// Work is done when it is submitted, so a stream holds nothing.
struct Stream {};

struct Event {
  bool has_timing = true;
  bool is_recorded = false;
  std::uint64_t nanoseconds = 0;
};

/// One context. The object stays until the process ends, so that a handle to a
/// destroyed context is recognised instead of followed.
struct Context {
  std::size_t device = 0;
  unsigned flags = 0;
  bool is_primary = false;
  bool is_destroyed = false;
  unsigned uses = 1;  ///< One for its maker, one for each who attached.

  /// Set by a kernel that failed; every later call in the context gives it.
  abi::CUresult error = abi::CUDA_SUCCESS;

  /// By CUlimit. The stacks beyond the first are device memory, which lies at
  /// `stacks`, 0: there are none.
  std::array<std::size_t, 3> limits = {1024, 1 << 20, 8 << 20};
  std::uint64_t stacks = 0;

  std::vector<std::unique_ptr<LoadedModule>> modules;
  std::vector<std::unique_ptr<Stream>> streams;
  std::vector<std::unique_ptr<Event>> events;
};

/// The contexts that this thread has pushed; the last is current. May hold
/// null, which cuCtxSetCurrent(null) leaves, and destroyed ones.
std::vector<Context*>& thread_contexts();

}  // namespace gpunode::fake_cuda
