// Contexts: made, primary, and each thread's stack of them.
#include <bit>

#include "tests/doubles/cuda/runtime.h"

namespace gpunode::abi {

using fake_cuda::Context;
using fake_cuda::enter_context;
using fake_cuda::enter_initialised;
using fake_cuda::Runtime;
using fake_cuda::thread_contexts;

namespace {

CUcontext handle_of(Context* context) {
  return std::bit_cast<CUcontext>(context);
}

CUresult create(const char* call, CUcontext* context, unsigned flags,
                CUdevice device) {
  return enter_initialised(call, [&](Runtime& runtime) {
    if (context == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (!runtime.has_device(device)) return CUDA_ERROR_INVALID_DEVICE;
    Context* made =
        runtime.make_context(static_cast<std::size_t>(device), flags);
    thread_contexts().push_back(made);
    *context = handle_of(made);
    return CUDA_SUCCESS;
  });
}

CUresult release_primary(const char* call, CUdevice device) {
  return enter_initialised(call, [&](Runtime& runtime) {
    if (!runtime.has_device(device)) return CUDA_ERROR_INVALID_DEVICE;
    Runtime::Primary& primary =
        runtime.primaries[static_cast<std::size_t>(device)];
    if (primary.references == 0) return CUDA_ERROR_INVALID_CONTEXT;
    if (--primary.references == 0) runtime.destroy_context(primary.context);
    return CUDA_SUCCESS;
  });
}

CUresult reset_primary(const char* call, CUdevice device) {
  return enter_initialised(call, [&](Runtime& runtime) {
    if (!runtime.has_device(device)) return CUDA_ERROR_INVALID_DEVICE;
    Runtime::Primary& primary =
        runtime.primaries[static_cast<std::size_t>(device)];
    if (primary.context != nullptr) runtime.destroy_context(primary.context);
    primary.references = 0;
    return CUDA_SUCCESS;
  });
}

/// Stacks for every thread that can be resident, beyond those that a context
/// comes with: taken at once, and given back when lowered.
CUresult set_stacks(Runtime& runtime, Context& context, std::size_t value) {
  const fake_cuda::Device& device = runtime.devices[context.device];
  const std::size_t first = Context().limits[CU_LIMIT_STACK_SIZE];
  const std::uint64_t threads =
      static_cast<std::uint64_t>(device.multiprocessors()) *
      static_cast<std::uint64_t>(device.threads_per_multiprocessor());
  if (value > device.memory_bytes / threads) return CUDA_ERROR_OUT_OF_MEMORY;
  const std::uint64_t bytes = value > first ? (value - first) * threads : 0;
  const std::uint64_t before = context.stacks;
  std::uint64_t now = 0;
  if (bytes != 0) {
    if (runtime.memory.used_bytes_with(context.device, bytes) >
        device.memory_bytes) {
      return CUDA_ERROR_OUT_OF_MEMORY;
    }
    const fake_cuda::Allocation* made =
        runtime.memory.allocate({bytes, fake_cuda::Allocation::Kind::kDevice,
                                 &context, context.device});
    if (made == nullptr) return CUDA_ERROR_OUT_OF_MEMORY;
    now = made->address;
  }
  if (before != 0) runtime.memory.release(before);
  context.stacks = now;
  return CUDA_SUCCESS;
}

}  // namespace

CUresult cuCtxCreate_v2(CUcontext* context, unsigned flags, CUdevice device) {
  return create("cuCtxCreate_v2", context, flags, device);
}

CUresult cuCtxCreate_v3(CUcontext* context, CUexecAffinityParam* /*affinities*/,
                        int /*affinity_count*/, unsigned flags,
                        CUdevice device) {
  return create("cuCtxCreate_v3", context, flags, device);
}

CUresult cuCtxCreate_v4(CUcontext* context, CUctxCreateParams* /*parameters*/,
                        unsigned flags, CUdevice device) {
  return create("cuCtxCreate_v4", context, flags, device);
}

CUresult cuCtxDestroy_v2(CUcontext context) {
  return enter_initialised("cuCtxDestroy_v2", [&](Runtime& runtime) {
    Context* found = runtime.find_context(context);
    if (found == nullptr || found->is_primary) {
      return CUDA_ERROR_INVALID_CONTEXT;
    }
    runtime.destroy_context(found);
    std::vector<Context*>& stack = thread_contexts();
    if (!stack.empty() && stack.back() == found) stack.pop_back();
    return CUDA_SUCCESS;
  });
}

// The forms before CUDA 4: of the thread's current context alone, which may
// have several users.
CUresult cuCtxDestroy(CUcontext context) {
  return enter_context("cuCtxDestroy", [&](Runtime& runtime, Context& current) {
    if (handle_of(&current) != context || current.is_primary ||
        current.uses != 1) {
      return CUDA_ERROR_INVALID_CONTEXT;
    }
    runtime.destroy_context(&current);
    thread_contexts().pop_back();
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxAttach(CUcontext* context, unsigned flags) {
  return enter_context("cuCtxAttach", [&](Runtime&, Context& current) {
    if (context == nullptr || flags != 0) return CUDA_ERROR_INVALID_VALUE;
    ++current.uses;
    *context = handle_of(&current);
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxDetach(CUcontext context) {
  return enter_context("cuCtxDetach", [&](Runtime& runtime, Context& current) {
    if (handle_of(&current) != context) return CUDA_ERROR_INVALID_CONTEXT;
    if (current.is_primary || --current.uses != 0) return CUDA_SUCCESS;
    runtime.destroy_context(&current);
    thread_contexts().pop_back();
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxSetCurrent(CUcontext context) {
  return enter_initialised("cuCtxSetCurrent", [&](Runtime& runtime) {
    Context* found =
        context == nullptr ? nullptr : runtime.find_context(context);
    if (context != nullptr && found == nullptr) {
      return CUDA_ERROR_INVALID_CONTEXT;
    }
    std::vector<Context*>& stack = thread_contexts();
    if (!stack.empty()) stack.pop_back();
    if (found != nullptr) stack.push_back(found);
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxGetCurrent(CUcontext* context) {
  return enter_initialised("cuCtxGetCurrent", [&](Runtime&) {
    if (context == nullptr) return CUDA_ERROR_INVALID_VALUE;
    const std::vector<Context*>& stack = thread_contexts();
    *context = stack.empty() ? nullptr : handle_of(stack.back());
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxPushCurrent_v2(CUcontext context) {
  return enter_initialised("cuCtxPushCurrent_v2", [&](Runtime& runtime) {
    Context* found = runtime.find_context(context);
    if (found == nullptr) return CUDA_ERROR_INVALID_CONTEXT;
    thread_contexts().push_back(found);
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxPopCurrent_v2(CUcontext* context) {
  return enter_initialised("cuCtxPopCurrent_v2", [&](Runtime&) {
    std::vector<Context*>& stack = thread_contexts();
    if (stack.empty()) return CUDA_ERROR_INVALID_CONTEXT;
    if (context != nullptr) *context = handle_of(stack.back());
    stack.pop_back();
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxGetDevice(CUdevice* device) {
  return enter_context("cuCtxGetDevice", [&](Runtime&, Context& context) {
    if (device == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *device = static_cast<CUdevice>(context.device);
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxGetApiVersion(CUcontext context, unsigned* version) {
  return enter_initialised("cuCtxGetApiVersion", [&](Runtime& runtime) {
    if (version == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (context != nullptr && runtime.find_context(context) == nullptr) {
      return CUDA_ERROR_INVALID_CONTEXT;
    }
    *version = 3020;  // What cuCtxCreate_v2 stands for.
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxSynchronize() {
  const CUresult result =
      enter_context("cuCtxSynchronize", [](Runtime& runtime, Context&) {
        runtime.return_unused();
        return CUDA_SUCCESS;
      });
  if (result == CUDA_SUCCESS) Runtime::of_process().await(nullptr, true);
  return result;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
  return enter_initialised("cuDevicePrimaryCtxRetain", [&](Runtime& runtime) {
    if (context == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (!runtime.has_device(device)) return CUDA_ERROR_INVALID_DEVICE;
    const auto index = static_cast<std::size_t>(device);
    Runtime::Primary& primary = runtime.primaries[index];
    if (primary.context == nullptr) {
      primary.context = runtime.make_context(index, 0);
      primary.context->is_primary = true;
    }
    // The handle of a device's primary context is the same each time.
    if (primary.context->is_destroyed) {
      primary.context->is_destroyed = false;
      primary.context->error = CUDA_SUCCESS;
    }
    ++primary.references;
    *context = handle_of(primary.context);
    return CUDA_SUCCESS;
  });
}

CUresult cuDevicePrimaryCtxRelease(CUdevice device) {
  return release_primary("cuDevicePrimaryCtxRelease", device);
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  return release_primary("cuDevicePrimaryCtxRelease_v2", device);
}

CUresult cuDevicePrimaryCtxReset(CUdevice device) {
  return reset_primary("cuDevicePrimaryCtxReset", device);
}

CUresult cuDevicePrimaryCtxReset_v2(CUdevice device) {
  return reset_primary("cuDevicePrimaryCtxReset_v2", device);
}

CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned* flags,
                                    int* active) {
  return enter_initialised("cuDevicePrimaryCtxGetState", [&](Runtime& runtime) {
    if (flags == nullptr || active == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (!runtime.has_device(device)) return CUDA_ERROR_INVALID_DEVICE;
    const Runtime::Primary& primary =
        runtime.primaries[static_cast<std::size_t>(device)];
    const bool is_active =
        primary.context != nullptr && !primary.context->is_destroyed;
    *flags = is_active ? primary.context->flags : 0;
    *active = is_active ? 1 : 0;
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxSetLimit(CUlimit limit, std::size_t value) {
  return enter_context(
      "cuCtxSetLimit", [&](Runtime& runtime, Context& context) {
        const auto index = static_cast<std::size_t>(limit);
        if (index >= context.limits.size()) return CUDA_ERROR_UNSUPPORTED_LIMIT;
        if (limit == CU_LIMIT_STACK_SIZE) {
          const CUresult result = set_stacks(runtime, context, value);
          if (result != CUDA_SUCCESS) return result;
        }
        context.limits[index] = value;
        return CUDA_SUCCESS;
      });
}

CUresult cuCtxGetLimit(std::size_t* value, CUlimit limit) {
  return enter_context("cuCtxGetLimit", [&](Runtime&, Context& context) {
    const auto index = static_cast<std::size_t>(limit);
    if (value == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (index >= context.limits.size()) return CUDA_ERROR_UNSUPPORTED_LIMIT;
    *value = context.limits[index];
    return CUDA_SUCCESS;
  });
}

}  // namespace gpunode::abi
