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

}  // namespace

CUresult cuCtxCreate_v2(CUcontext* context, unsigned flags, CUdevice device) {
  return enter_initialised("cuCtxCreate_v2", [&](Runtime& runtime) {
    if (context == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (!runtime.has_device(device)) return CUDA_ERROR_INVALID_DEVICE;
    Context* made =
        runtime.make_context(static_cast<std::size_t>(device), flags);
    thread_contexts().push_back(made);
    *context = handle_of(made);
    return CUDA_SUCCESS;
  });
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
  return enter_context("cuCtxSynchronize",
                       [](Runtime&, Context&) { return CUDA_SUCCESS; });
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

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  return enter_initialised(
      "cuDevicePrimaryCtxRelease_v2", [&](Runtime& runtime) {
        if (!runtime.has_device(device)) return CUDA_ERROR_INVALID_DEVICE;
        Runtime::Primary& primary =
            runtime.primaries[static_cast<std::size_t>(device)];
        if (primary.references == 0) return CUDA_ERROR_INVALID_CONTEXT;
        if (--primary.references == 0) runtime.destroy_context(primary.context);
        return CUDA_SUCCESS;
      });
}

CUresult cuDevicePrimaryCtxReset_v2(CUdevice device) {
  return enter_initialised("cuDevicePrimaryCtxReset_v2", [&](Runtime& runtime) {
    if (!runtime.has_device(device)) return CUDA_ERROR_INVALID_DEVICE;
    Runtime::Primary& primary =
        runtime.primaries[static_cast<std::size_t>(device)];
    if (primary.context != nullptr) runtime.destroy_context(primary.context);
    primary.references = 0;
    return CUDA_SUCCESS;
  });
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

}  // namespace gpunode::abi
