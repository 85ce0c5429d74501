// Streams and events. Work is done when it is submitted, so waiting is over at
// once, and an event's time is that of its recording.
#include <algorithm>
#include <bit>
#include <chrono>

#include "gpu/abi/cuda_memory.h"
#include "tests/doubles/cuda/runtime.h"
#include "tests/doubles/cuda/stream.h"

namespace gpunode::fake_cuda {

namespace {

template <class Handle, class Object>
auto find(const std::vector<std::unique_ptr<Object>>& objects, Handle handle) {
  return std::find_if(objects.begin(), objects.end(), [&](const auto& object) {
    return std::bit_cast<Handle>(object.get()) == handle;
  });
}

template <class Object, class Handle>
abi::CUresult erase(std::vector<std::unique_ptr<Object>>* objects,
                    Handle handle) {
  const auto found = find(*objects, handle);
  if (found == objects->end()) return abi::CUDA_ERROR_INVALID_HANDLE;
  objects->erase(found);
  return abi::CUDA_SUCCESS;
}

}  // namespace

bool is_stream(const Context& context, abi::CUstream stream) {
  return std::bit_cast<std::uintptr_t>(stream) <= 2 ||
         find(context.streams, stream) != context.streams.end();
}

Event* find_event(const Context& context, abi::CUevent event) {
  const auto found = find(context.events, event);
  return found == context.events.end() ? nullptr : found->get();
}

}  // namespace gpunode::fake_cuda

namespace gpunode::abi {

using fake_cuda::Context;
using fake_cuda::enter_context;
using fake_cuda::enter_initialised;
using fake_cuda::Event;
using fake_cuda::find_event;
using fake_cuda::is_stream;
using fake_cuda::Runtime;
using fake_cuda::Stream;

namespace {

CUresult create_stream(const char* call, CUstream* stream) {
  return enter_context(call, [&](Runtime&, Context& context) {
    if (stream == nullptr) return CUDA_ERROR_INVALID_VALUE;
    context.streams.push_back(std::make_unique<Stream>());
    *stream = std::bit_cast<CUstream>(context.streams.back().get());
    return CUDA_SUCCESS;
  });
}

CUresult await_stream(const char* call, CUstream stream) {
  return enter_context(call, [&](Runtime&, Context& context) {
    return is_stream(context, stream) ? CUDA_SUCCESS
                                      : CUDA_ERROR_INVALID_HANDLE;
  });
}

CUresult await_event(const char* call, CUevent event) {
  return enter_context(call, [&](Runtime&, Context& context) {
    return find_event(context, event) != nullptr ? CUDA_SUCCESS
                                                 : CUDA_ERROR_INVALID_HANDLE;
  });
}

}  // namespace

CUresult cuStreamCreate(CUstream* stream, unsigned /*flags*/) {
  return create_stream("cuStreamCreate", stream);
}

CUresult cuStreamCreateWithPriority(CUstream* stream, unsigned /*flags*/,
                                    int /*priority*/) {
  return create_stream("cuStreamCreateWithPriority", stream);
}

CUresult cuStreamDestroy_v2(CUstream stream) {
  return enter_context("cuStreamDestroy_v2", [&](Runtime&, Context& context) {
    return fake_cuda::erase(&context.streams, stream);
  });
}

namespace {

CUresult synchronize(const char* call, CUstream stream) {
  const CUresult result =
      enter_context(call, [&](Runtime& runtime, Context& context) {
        if (!is_stream(context, stream)) return CUDA_ERROR_INVALID_HANDLE;
        runtime.return_unused();
        return CUDA_SUCCESS;
      });
  if (result == CUDA_SUCCESS) Runtime::of_process().await(stream, false);
  return result;
}

}  // namespace

CUresult cuStreamSynchronize(CUstream stream) {
  return synchronize("cuStreamSynchronize", stream);
}

CUresult cuStreamSynchronize_ptsz(CUstream stream) {
  return synchronize("cuStreamSynchronize_ptsz", stream);
}

CUresult cuStreamGetCtx(CUstream stream, CUcontext* owner) {
  return enter_context("cuStreamGetCtx", [&](Runtime&, Context& context) {
    if (owner == nullptr || !is_stream(context, stream)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    *owner = std::bit_cast<CUcontext>(&context);
    return CUDA_SUCCESS;
  });
}

CUresult cuStreamIsCapturing(CUstream stream, CUstreamCaptureStatus* status) {
  return enter_context("cuStreamIsCapturing",
                       [&](Runtime& runtime, Context& context) {
                         if (status == nullptr || !is_stream(context, stream)) {
                           return CUDA_ERROR_INVALID_VALUE;
                         }
                         *status = runtime.work.captured.contains(stream)
                                       ? CU_STREAM_CAPTURE_STATUS_ACTIVE
                                       : CU_STREAM_CAPTURE_STATUS_NONE;
                         return CUDA_SUCCESS;
                       });
}

CUresult cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode* mode) {
  return enter_initialised("cuThreadExchangeStreamCaptureMode", [&](Runtime&) {
    thread_local CUstreamCaptureMode current = CU_STREAM_CAPTURE_MODE_GLOBAL;
    if (mode == nullptr) return CUDA_ERROR_INVALID_VALUE;
    std::swap(current, *mode);
    return CUDA_SUCCESS;
  });
}

CUresult cuStreamQuery(CUstream stream) {
  return await_stream("cuStreamQuery", stream);
}

CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned /*flags*/) {
  return enter_context("cuStreamWaitEvent", [&](Runtime&, Context& context) {
    return is_stream(context, stream) && find_event(context, event) != nullptr
               ? CUDA_SUCCESS
               : CUDA_ERROR_INVALID_HANDLE;
  });
}

CUresult cuEventCreate(CUevent* event, unsigned flags) {
  return enter_context("cuEventCreate", [&](Runtime&, Context& context) {
    if (event == nullptr) return CUDA_ERROR_INVALID_VALUE;
    context.events.push_back(std::make_unique<Event>());
    context.events.back()->has_timing = (flags & CU_EVENT_DISABLE_TIMING) == 0;
    *event = std::bit_cast<CUevent>(context.events.back().get());
    return CUDA_SUCCESS;
  });
}

CUresult cuEventDestroy_v2(CUevent event) {
  return enter_context("cuEventDestroy_v2", [&](Runtime&, Context& context) {
    return fake_cuda::erase(&context.events, event);
  });
}

CUresult cuEventRecord(CUevent event, CUstream stream) {
  return enter_context("cuEventRecord", [&](Runtime&, Context& context) {
    Event* found = find_event(context, event);
    if (found == nullptr || !is_stream(context, stream)) {
      return CUDA_ERROR_INVALID_HANDLE;
    }
    found->is_recorded = true;
    found->nanoseconds = static_cast<std::uint64_t>(
        std::chrono::steady_clock::now().time_since_epoch().count());
    return CUDA_SUCCESS;
  });
}

CUresult cuEventSynchronize(CUevent event) {
  return await_event("cuEventSynchronize", event);
}

CUresult cuEventQuery(CUevent event) {
  return await_event("cuEventQuery", event);
}

CUresult cuEventElapsedTime(float* milliseconds, CUevent start, CUevent end) {
  return enter_context("cuEventElapsedTime", [&](Runtime&, Context& context) {
    if (milliseconds == nullptr) return CUDA_ERROR_INVALID_VALUE;
    const Event* first = find_event(context, start);
    const Event* last = find_event(context, end);
    if (first == nullptr || last == nullptr || !first->is_recorded ||
        !last->is_recorded || !first->has_timing || !last->has_timing) {
      return CUDA_ERROR_INVALID_HANDLE;
    }
    const auto nanoseconds =
        static_cast<std::int64_t>(last->nanoseconds - first->nanoseconds);
    *milliseconds = static_cast<float>(nanoseconds) / 1e6F;
    return CUDA_SUCCESS;
  });
}

}  // namespace gpunode::abi
