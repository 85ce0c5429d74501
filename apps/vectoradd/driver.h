// libcuda.so.1, loaded at run time, as the few calls that are made here.
#pragma once

#include "gpu/abi/cuda.h"

namespace gpunode::vectoradd {

/// One line a call: the member's name and the symbol behind it.
#define GPUNODE_VECTORADD_CALLS(X)         \
  X(init, cuInit)                          \
  X(error_name, cuGetErrorName)            \
  X(error_string, cuGetErrorString)        \
  X(device_count, cuDeviceGetCount)        \
  X(device, cuDeviceGet)                   \
  X(context_create, cuCtxCreate_v2)        \
  X(context_destroy, cuCtxDestroy_v2)      \
  X(context_synchronize, cuCtxSynchronize) \
  X(module_load, cuModuleLoadDataEx)       \
  X(module_unload, cuModuleUnload)         \
  X(module_function, cuModuleGetFunction)  \
  X(memory_allocate, cuMemAlloc_v2)        \
  X(memory_free, cuMemFree_v2)             \
  X(memory_set, cuMemsetD8_v2)             \
  X(copy_to_device, cuMemcpyHtoD_v2)       \
  X(copy_to_host, cuMemcpyDtoH_v2)         \
  X(launch, cuLaunchKernel)

/// Tests fill it with functions of their own.
struct Driver {
// NOLINTBEGIN(bugprone-macro-parentheses): `member` is declared.
#define GPUNODE_VECTORADD_MEMBER(member, symbol) \
  decltype(&abi::symbol) member = nullptr;
  GPUNODE_VECTORADD_CALLS(GPUNODE_VECTORADD_MEMBER)
#undef GPUNODE_VECTORADD_MEMBER
  // NOLINTEND(bugprone-macro-parentheses)
};

/// Loads `library` (a soname or a path) and fills `driver`. Returns null, or
/// the loader's sentence about what is missing, valid until the next load. The
/// library stays loaded: CUDA does not survive being unloaded.
const char* load_driver(const char* library, Driver* driver);

}  // namespace gpunode::vectoradd
