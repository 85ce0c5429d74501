// The driver's own names: what a program that is linked with the driver calls,
// and what replaced() gives in the driver's place. Each has the driver's
// signature, asks it, and changes what the limits change.
#include "share/intercept/export_table.h"
#include "share/intercept/taking.h"

namespace gpunode::abi {

using share::account;
using share::driver;
using share::MemoryKind;
using share::real_of;
using share::take;

GPUNODE_EXPORT CUresult cuMemAlloc_v2(CUdeviceptr* address, std::size_t bytes) {
  const auto ask = real_of(driver().cuMemAlloc_v2);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  // The driver has words of its own for these.
  if (address == nullptr || bytes == 0) return ask(address, bytes);
  return take(
      MemoryKind::kData, share::charged_bytes(bytes),
      [&] { return ask(address, bytes); }, [&] { return *address; });
}

GPUNODE_EXPORT CUresult cuMemAllocPitch_v2(CUdeviceptr* address,
                                           std::size_t* pitch,
                                           std::size_t width_bytes,
                                           std::size_t height,
                                           unsigned element_bytes) {
  const auto ask = real_of(driver().cuMemAllocPitch_v2);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  constexpr std::size_t kPitch = 512;  // As drivers until 580 have it.
  std::size_t bytes = 0;
  const bool overflows =
      width_bytes > ~std::size_t{0} - kPitch ||
      __builtin_mul_overflow((width_bytes + kPitch - 1) / kPitch * kPitch,
                             height, &bytes);
  if (address == nullptr || pitch == nullptr || bytes == 0 || overflows) {
    return ask(address, pitch, width_bytes, height, element_bytes);
  }
  return take(
      MemoryKind::kData, share::charged_bytes(bytes),
      [&] { return ask(address, pitch, width_bytes, height, element_bytes); },
      [&] { return *address; });
}

GPUNODE_EXPORT CUresult cuMemAllocManaged(CUdeviceptr* address,
                                          std::size_t bytes, unsigned flags) {
  const auto ask = real_of(driver().cuMemAllocManaged);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  if (address == nullptr || bytes == 0) return ask(address, bytes, flags);
  return take(
      MemoryKind::kData, share::charged_bytes(bytes),
      [&] { return ask(address, bytes, flags); }, [&] { return *address; });
}

GPUNODE_EXPORT CUresult cuMemFree_v2(CUdeviceptr address) {
  const auto ask = real_of(driver().cuMemFree_v2);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  return share::give_any(address, [&] { return ask(address); });
}

GPUNODE_EXPORT CUresult cuMemGetInfo_v2(std::size_t* free, std::size_t* total) {
  const auto ask = real_of(driver().cuMemGetInfo_v2);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  std::size_t real_free = 0;
  std::size_t real_total = 0;
  const CUresult result = ask(free == nullptr ? nullptr : &real_free,
                              total == nullptr ? nullptr : &real_total);
  if (result != CUDA_SUCCESS) return result;
  std::uint64_t limit = share::kNoLimit;
  std::uint64_t left = share::kNoLimit;
  if (account().is_limited()) {
    share::settle_pools();
    share::settle_graphs();
  }
  account().view(&limit, &left);
  if (free != nullptr) *free = left < real_free ? left : real_free;
  if (total != nullptr) *total = limit < real_total ? limit : real_total;
  return result;
}

GPUNODE_EXPORT CUresult cuDeviceTotalMem_v2(std::size_t* bytes,
                                            CUdevice device) {
  const auto ask = real_of(driver().cuDeviceTotalMem_v2);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  const CUresult result = ask(bytes, device);
  if (result != CUDA_SUCCESS) return result;
  const std::uint64_t limit = account().limit_of(device);
  if (limit < *bytes) *bytes = limit;
  return result;
}

GPUNODE_EXPORT CUresult cuGetProcAddress(const char* symbol, void** function,
                                         int version, std::uint64_t flags) {
  const auto ask = real_of(driver().cuGetProcAddress);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  const CUresult result = ask(symbol, function, version, flags);
  if (result == CUDA_SUCCESS && function != nullptr) {
    *function = share::replaced(*function);
  }
  return result;
}

GPUNODE_EXPORT CUresult cuGetProcAddress_v2(
    const char* symbol, void** function, int version, std::uint64_t flags,
    CUdriverProcAddressQueryResult* status) {
  const auto ask = real_of(driver().cuGetProcAddress_v2);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  const CUresult result = ask(symbol, function, version, flags, status);
  if (result == CUDA_SUCCESS && function != nullptr) {
    *function = share::replaced(*function);
  }
  return result;
}

GPUNODE_EXPORT CUresult cuGetExportTable(const void** table, const CUuuid* id) {
  const auto ask = real_of(driver().cuGetExportTable);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  const CUresult result = ask(table, id);
  if (result != CUDA_SUCCESS || table == nullptr || *table == nullptr) {
    return result;
  }
  *table = share::replaced_table(*table);
  return *table == nullptr ? CUDA_ERROR_OUT_OF_MEMORY : result;
}

}  // namespace gpunode::abi
