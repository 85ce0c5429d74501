// The state of the double in one process, and the way into every call.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "gpu/abi/cuda.h"
#include "tests/doubles/cuda/context.h"
#include "tests/doubles/cuda/device.h"
#include "tests/doubles/cuda/environment.h"
#include "tests/doubles/cuda/graph.h"
#include "tests/doubles/cuda/memory.h"
#include "tests/doubles/cuda/pool.h"
#include "tests/doubles/cuda/virtual_memory.h"
#include "tests/doubles/cuda/work.h"

namespace gpunode::fake_cuda {

/// Its address is the CUarray or CUmipmappedArray.
struct Array {
  std::uint64_t bytes = 0;
  std::size_t device = 0;
};

/// What was opened by cuIpcOpenMemHandle, by address.
struct Import {
  int pid = 0;
  std::uint64_t key = 0;
  unsigned opens = 0;
};
using Imports = std::map<std::uint64_t, Import>;

struct Runtime {
  /// Never destroyed: threads may still call while the process exits.
  static Runtime& of_process();

  std::mutex mutex;  ///< Held by enter() through each call.
  bool is_initialised = false;
  Environment environment;
  Machine machine;
  std::vector<Device> devices;
  Memory memory;
  VirtualMemory virtual_memory;
  std::vector<std::unique_ptr<Array>> arrays;
  Pools pools;
  Imports imports;
  Graphs graphs;
  Work work;
  std::vector<std::unique_ptr<Context>> contexts;

  struct Primary {
    Context* context = nullptr;
    unsigned references = 0;
  };
  std::map<std::size_t, Primary> primaries;  ///< By device.

  std::map<std::string, std::uint64_t, std::less<>> calls;

  /// Counts a call; the result that a planned failure gives it, or SUCCESS.
  abi::CUresult record(std::string_view call);

  bool has_device(abi::CUdevice device) const;
  Context* make_context(std::size_t device, unsigned flags);
  void destroy_context(Context* context);
  /// Every later call in it gives `error`, unless that is none.
  void fail(Context* context, abi::CUresult error);

  Pool* default_pool(std::size_t device);
  Pool* current_pool(std::size_t device);
  /// The live pool behind a handle, or null.
  Pool* find_pool(abi::CUmemoryPool handle) const;
  /// Returns steps that nobody uses, while more than `keep` bytes are left.
  void trim(Pool* pool, std::uint64_t keep);
  /// As every waiting does: pools return what exceeds their threshold.
  void return_unused();
  /// False if the address is of no pool.
  bool free_of_pool(std::uint64_t address);

  /// Until the stream, or all, wait for no word any more. Not under `mutex`.
  void await(abi::CUstream stream, bool is_any);

  /// The live context behind a handle, or null.
  Context* find_context(abi::CUcontext handle) const;
};

/// What gpunode_fake_cuda_call_back() asked for, on this thread.
void call_back(std::string_view call);

/// Every call that may come before cuInit.
template <class Body>
abi::CUresult enter(std::string_view call, Body body) {
  call_back(call);
  Runtime& runtime = Runtime::of_process();
  const std::lock_guard lock(runtime.mutex);
  const abi::CUresult planned = runtime.record(call);
  return planned != abi::CUDA_SUCCESS ? planned : body(runtime);
}

/// Calls that need cuInit.
template <class Body>
abi::CUresult enter_initialised(std::string_view call, Body body) {
  return enter(call, [&](Runtime& runtime) {
    return runtime.is_initialised ? body(runtime)
                                  : abi::CUDA_ERROR_NOT_INITIALIZED;
  });
}

/// Calls that need a current context, and one that has not failed.
template <class Body>
abi::CUresult enter_context(std::string_view call, Body body) {
  return enter_initialised(call, [&](Runtime& runtime) {
    const std::vector<Context*>& stack = thread_contexts();
    Context* context = stack.empty() ? nullptr : stack.back();
    if (context == nullptr) return abi::CUDA_ERROR_INVALID_CONTEXT;
    if (context->is_destroyed) return abi::CUDA_ERROR_CONTEXT_IS_DESTROYED;
    if (context->error != abi::CUDA_SUCCESS) return context->error;
    return body(runtime, *context);
  });
}

}  // namespace gpunode::fake_cuda

/// How often `call` ("cuMemAlloc_v2") was called in this process. Exported, so
/// that a test can find it with dlsym.
extern "C" std::uint64_t gpunode_fake_cuda_calls(const char* call);

/// Has `deed` run at the beginning of each such call, as tools that watch calls
/// do it; not amid another deed. Before any other thread calls the driver.
extern "C" void gpunode_fake_cuda_call_back(const char* call, void (*deed)());

/// What a kernel of the current context did was not allowed, and it ends now.
extern "C" void gpunode_fake_cuda_fault();

/// While `is_held`, streams do not get to the words that they are to write.
extern "C" void gpunode_fake_cuda_hold_work(int is_held);
