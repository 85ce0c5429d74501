// Runs a kernel: every thread of every block, one after another.
//
// Threads of a block advance in turn from barrier to barrier, so shared memory
// and bar.sync mean what they mean on a GPU; nothing runs at the same time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "gpu/abi/cuda.h"
#include "tests/doubles/cuda/memory.h"
#include "tests/doubles/cuda/ptx_module.h"

namespace gpunode::fake_cuda::ptx {

struct Extent {
  std::uint32_t x = 1;
  std::uint32_t y = 1;
  std::uint32_t z = 1;

  std::uint64_t count() const { return std::uint64_t{x} * y * z; }
};

struct Launch {
  const Kernel* kernel = nullptr;
  Extent grid;
  Extent block;
  std::vector<std::byte> parameters;  ///< kernel->parameter_bytes of them.
  std::uint32_t dynamic_shared_bytes = 0;
  const Memory* memory = nullptr;
  const Context* context = nullptr;  ///< Whose memory the kernel may touch.

  /// Instructions after which the watchdog ends the kernel.
  std::uint64_t most_instructions = std::uint64_t{1} << 33;
};

/// CUDA_SUCCESS, or the error that the context gets stuck with:
/// ILLEGAL_ADDRESS, MISALIGNED_ADDRESS, LAUNCH_TIMEOUT, or LAUNCH_FAILED for a
/// trap. Blocks that ran before the error keep their effects.
abi::CUresult execute(const Launch& launch);

}  // namespace gpunode::fake_cuda::ptx
