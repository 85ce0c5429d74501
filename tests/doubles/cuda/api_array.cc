// Arrays: their memory alone. Their sizes are those of arrays whose rows are
// whole tiles, which all of the tests have.
#include <bit>

#include "gpu/abi/cuda_memory.h"
#include "tests/doubles/cuda/runtime.h"

namespace gpunode::abi {

using fake_cuda::Context;
using fake_cuda::enter_context;
using fake_cuda::Runtime;

namespace {

constexpr std::uint64_t kBlock = 2U << 20;

std::uint64_t channel_bytes(CUarray_format format) {
  switch (format) {
    case CU_AD_FORMAT_UNSIGNED_INT8:
    case CU_AD_FORMAT_SIGNED_INT8:
      return 1;
    case CU_AD_FORMAT_UNSIGNED_INT16:
    case CU_AD_FORMAT_SIGNED_INT16:
    case CU_AD_FORMAT_HALF:
      return 2;
    case CU_AD_FORMAT_UNSIGNED_INT32:
    case CU_AD_FORMAT_SIGNED_INT32:
    case CU_AD_FORMAT_FLOAT:
      return 4;
    default:
      return 0;
  }
}

template <class Handle>
CUresult create(Runtime& runtime, const Context& context, Handle* handle,
                const CUDA_ARRAY3D_DESCRIPTOR* descriptor, unsigned levels) {
  if (handle == nullptr || descriptor == nullptr || descriptor->Width == 0 ||
      levels == 0 || channel_bytes(descriptor->Format) == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const auto at_least_one = [](std::uint64_t value) {
    return value == 0 ? 1 : value;
  };
  std::uint64_t level = descriptor->Width * at_least_one(descriptor->Height) *
                        at_least_one(descriptor->Depth) *
                        channel_bytes(descriptor->Format) *
                        descriptor->NumChannels;
  std::uint64_t bytes = 0;
  for (unsigned at = 0; at < levels; ++at, level /= 4) bytes += level;
  constexpr unsigned kMappedLater =
      CUDA_ARRAY3D_SPARSE | CUDA_ARRAY3D_DEFERRED_MAPPING;
  if ((descriptor->Flags & kMappedLater) != 0) bytes = 0;
  bytes = (bytes + kBlock - 1) / kBlock * kBlock;
  if (!runtime.memory.take(context.device, bytes,
                           runtime.devices[context.device].memory_bytes)) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  auto made = std::make_unique<fake_cuda::Array>();
  made->bytes = bytes;
  made->device = context.device;
  *handle = std::bit_cast<Handle>(made.get());
  runtime.arrays.push_back(std::move(made));
  return CUDA_SUCCESS;
}

template <class Handle>
CUresult destroy(Runtime& runtime, Handle handle) {
  for (auto it = runtime.arrays.begin(); it != runtime.arrays.end(); ++it) {
    if (std::bit_cast<Handle>(it->get()) != handle) continue;
    runtime.memory.give((*it)->device, (*it)->bytes);
    runtime.arrays.erase(it);
    return CUDA_SUCCESS;
  }
  return CUDA_ERROR_INVALID_HANDLE;
}

}  // namespace

CUresult cuArrayCreate_v2(CUarray* array,
                          const CUDA_ARRAY_DESCRIPTOR* descriptor) {
  return enter_context("cuArrayCreate_v2",
                       [&](Runtime& runtime, Context& context) {
                         if (descriptor == nullptr)
                           return CUDA_ERROR_INVALID_VALUE;
                         const CUDA_ARRAY3D_DESCRIPTOR whole = {
                             descriptor->Width,  descriptor->Height,      0,
                             descriptor->Format, descriptor->NumChannels, 0};
                         return create(runtime, context, array, &whole, 1);
                       });
}

CUresult cuArray3DCreate_v2(CUarray* array,
                            const CUDA_ARRAY3D_DESCRIPTOR* descriptor) {
  return enter_context("cuArray3DCreate_v2",
                       [&](Runtime& runtime, Context& context) {
                         return create(runtime, context, array, descriptor, 1);
                       });
}

CUresult cuArrayDestroy(CUarray array) {
  return enter_context("cuArrayDestroy", [&](Runtime& runtime, Context&) {
    return destroy(runtime, array);
  });
}

CUresult cuMipmappedArrayCreate(CUmipmappedArray* array,
                                const CUDA_ARRAY3D_DESCRIPTOR* descriptor,
                                unsigned levels) {
  return enter_context(
      "cuMipmappedArrayCreate", [&](Runtime& runtime, Context& context) {
        return create(runtime, context, array, descriptor, levels);
      });
}

CUresult cuMipmappedArrayDestroy(CUmipmappedArray array) {
  return enter_context(
      "cuMipmappedArrayDestroy",
      [&](Runtime& runtime, Context&) { return destroy(runtime, array); });
}

}  // namespace gpunode::abi
