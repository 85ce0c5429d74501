// Arrays and mipmapped arrays. One that is mapped later (sparse, deferred)
// takes nothing by itself: what is mapped is charged where it is made.
#include "share/intercept/array_size.h"
#include "share/intercept/taking.h"

namespace gpunode::abi {

using share::driver;
using share::real_of;

namespace {

/// Charges what an array of `levels` needs; `Handle` is the driver's.
template <typename Handle, typename Ask>
CUresult take_array(const CUDA_ARRAY3D_DESCRIPTOR& descriptor, unsigned levels,
                    Handle* array, Ask ask) {
  const std::uint64_t bytes = share::array_bytes(descriptor, levels);
  if (bytes == 0) return ask();
  return share::take(share::MemoryKind::kArray, share::charged_bytes(bytes),
                     ask,
                     [&] { return reinterpret_cast<std::uint64_t>(*array); });
}

}  // namespace

GPUNODE_EXPORT CUresult
cuArrayCreate_v2(CUarray* array, const CUDA_ARRAY_DESCRIPTOR* descriptor) {
  const auto ask = real_of(driver().cuArrayCreate_v2);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  // The driver has words of its own for these.
  if (array == nullptr || descriptor == nullptr) return ask(array, descriptor);
  const CUDA_ARRAY3D_DESCRIPTOR whole = {
      descriptor->Width,  descriptor->Height,      0,
      descriptor->Format, descriptor->NumChannels, 0};
  return take_array(whole, 1, array, [&] { return ask(array, descriptor); });
}

GPUNODE_EXPORT CUresult
cuArray3DCreate_v2(CUarray* array, const CUDA_ARRAY3D_DESCRIPTOR* descriptor) {
  const auto ask = real_of(driver().cuArray3DCreate_v2);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  if (array == nullptr || descriptor == nullptr) return ask(array, descriptor);
  return take_array(*descriptor, 1, array,
                    [&] { return ask(array, descriptor); });
}

GPUNODE_EXPORT CUresult cuArrayDestroy(CUarray array) {
  const auto ask = real_of(driver().cuArrayDestroy);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  return share::give(reinterpret_cast<std::uint64_t>(array),
                     [&] { return ask(array); });
}

GPUNODE_EXPORT CUresult cuMipmappedArrayCreate(
    CUmipmappedArray* array, const CUDA_ARRAY3D_DESCRIPTOR* descriptor,
    unsigned levels) {
  const auto ask = real_of(driver().cuMipmappedArrayCreate);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  if (array == nullptr || descriptor == nullptr) {
    return ask(array, descriptor, levels);
  }
  return take_array(*descriptor, levels, array,
                    [&] { return ask(array, descriptor, levels); });
}

GPUNODE_EXPORT CUresult cuMipmappedArrayDestroy(CUmipmappedArray array) {
  const auto ask = real_of(driver().cuMipmappedArrayDestroy);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  return share::give(reinterpret_cast<std::uint64_t>(array),
                     [&] { return ask(array); });
}

}  // namespace gpunode::abi
