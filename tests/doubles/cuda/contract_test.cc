// What the driver API promises: devices, contexts, memory, streams.
#include <array>
#include <cstring>
#include <thread>
#include <vector>

#include "tests/doubles/cuda/contract_driver.h"

namespace gpunode::fake_cuda {
namespace {

using namespace abi;  // NOLINT(google-build-using-namespace): the API's names.

TEST(Driver, RefusesCallsBeforeInit) {
  EXPECT_EQ(result_before_init(), CUDA_ERROR_NOT_INITIALIZED);
}

TEST(Driver, SaysAVersion) {
  int version = 0;
  ASSERT_EQ(CU(cuDriverGetVersion)(&version), CUDA_SUCCESS);
  EXPECT_GE(version, 10000);
  EXPECT_EQ(CU(cuDriverGetVersion)(nullptr), CUDA_ERROR_INVALID_VALUE);
}

TEST(Driver, TakesNoInitFlags) {
  EXPECT_EQ(CU(cuInit)(1), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(CU(cuInit)(0), CUDA_SUCCESS);
}

TEST(Driver, NamesAndDescribesEveryResult) {
#define GPUNODE_CHECK(symbol, number, sentence)                           \
  {                                                                       \
    const char* name = nullptr;                                           \
    const char* text = nullptr;                                           \
    EXPECT_EQ(CU(cuGetErrorName)(symbol, &name), CUDA_SUCCESS) << number; \
    EXPECT_STREQ(name, #symbol);                                          \
    EXPECT_EQ(CU(cuGetErrorString)(symbol, &text), CUDA_SUCCESS);         \
    EXPECT_STREQ(text, sentence) << #symbol;                              \
  }
  GPUNODE_CUDA_RESULTS(GPUNODE_CHECK)
#undef GPUNODE_CHECK
  const char* name = "untouched";
  EXPECT_EQ(CU(cuGetErrorName)(static_cast<CUresult>(12345), &name),
            CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(name, nullptr);
}

TEST(Driver, HandsOutItsCallsByNameAndVersion) {
  void* function = nullptr;
  ASSERT_EQ(CU(cuGetProcAddress)("cuDeviceGetCount", &function, 11040, 0),
            CUDA_SUCCESS);
  int count = 0;
  EXPECT_EQ(reinterpret_cast<decltype(&cuDeviceGetCount)>(function)(&count),
            CUDA_SUCCESS);
  EXPECT_GE(count, 1);
  // The plain name at a version stands for the form of that version.
  ASSERT_EQ(CU(cuGetProcAddress)("cuMemAlloc", &function, 11040, 0),
            CUDA_SUCCESS);
  EXPECT_EQ(function, contract_symbol("cuMemAlloc_v2"));
  EXPECT_EQ(CU(cuGetProcAddress)("cuNoSuchCall", &function, 11040, 0),
            CUDA_ERROR_NOT_FOUND);
}

TEST(Device, HasNameMemoryUuidAndCapability) {
  int count = 0;
  ASSERT_EQ(CU(cuDeviceGetCount)(&count), CUDA_SUCCESS);
  ASSERT_GE(count, 1);
  CUdevice device = -1;
  ASSERT_EQ(CU(cuDeviceGet)(&device, 0), CUDA_SUCCESS);
  std::array<char, 100> name{};
  ASSERT_EQ(CU(cuDeviceGetName)(name.data(), name.size(), device),
            CUDA_SUCCESS);
  EXPECT_STRNE(name.data(), "");
  std::size_t bytes = 0;
  ASSERT_EQ(CU(cuDeviceTotalMem_v2)(&bytes, device), CUDA_SUCCESS);
  EXPECT_GT(bytes, std::size_t{1} << 30);
  CUuuid uuid{};
  const CUuuid none{};
  ASSERT_EQ(CU(cuDeviceGetUuid)(&uuid, device), CUDA_SUCCESS);
  EXPECT_NE(std::memcmp(&uuid, &none, sizeof uuid), 0);
  int major = 0;
  int minor = -1;
  ASSERT_EQ(CU(cuDeviceComputeCapability)(&major, &minor, device),
            CUDA_SUCCESS);
  int attribute = 0;
  ASSERT_EQ(
      CU(cuDeviceGetAttribute)(
          &attribute, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device),
      CUDA_SUCCESS);
  EXPECT_GE(major, 5);
  EXPECT_EQ(attribute, major);
}

TEST(Device, ShortBuffersCutItsName) {
  std::array<char, 4> name{'x', 'x', 'x', 'x'};
  ASSERT_EQ(CU(cuDeviceGetName)(name.data(), 3, 0), CUDA_SUCCESS);
  EXPECT_EQ(name[2], '\0');
  EXPECT_EQ(name[3], 'x');
}

TEST(Device, IsFoundByItsBusId) {
  std::array<char, 32> bus_id{};
  ASSERT_EQ(CU(cuDeviceGetPCIBusId)(bus_id.data(), bus_id.size(), 0),
            CUDA_SUCCESS);
  CUdevice device = -1;
  EXPECT_EQ(CU(cuDeviceGetByPCIBusId)(&device, bus_id.data()), CUDA_SUCCESS);
  EXPECT_EQ(device, 0);
}

TEST(Device, OutOfRangeIsRefused) {
  int count = 0;
  ASSERT_EQ(CU(cuDeviceGetCount)(&count), CUDA_SUCCESS);
  CUdevice device = 0;
  EXPECT_EQ(CU(cuDeviceGet)(&device, count), CUDA_ERROR_INVALID_DEVICE);
  EXPECT_EQ(CU(cuDeviceGet)(&device, -1), CUDA_ERROR_INVALID_DEVICE);
  std::size_t bytes = 0;
  EXPECT_EQ(CU(cuDeviceTotalMem_v2)(&bytes, count), CUDA_ERROR_INVALID_DEVICE);
}

TEST(Context, IsCurrentOnceMadeAndNoMoreOnceDestroyed) {
  CUcontext context = nullptr;
  CUcontext current = nullptr;
  ASSERT_EQ(CU(cuCtxCreate_v2)(&context, 0, 0), CUDA_SUCCESS);
  ASSERT_EQ(CU(cuCtxGetCurrent)(&current), CUDA_SUCCESS);
  EXPECT_EQ(current, context);
  ASSERT_EQ(CU(cuCtxDestroy_v2)(context), CUDA_SUCCESS);
  ASSERT_EQ(CU(cuCtxGetCurrent)(&current), CUDA_SUCCESS);
  EXPECT_EQ(current, nullptr);
  CUdeviceptr address = 0;
  EXPECT_EQ(CU(cuMemAlloc_v2)(&address, 4), CUDA_ERROR_INVALID_CONTEXT);
}

TEST_F(InContext, OldFormsEndTheThreadsOwnWithItsLastUse) {
  CUcontext context = nullptr;
  CUcontext attached = nullptr;
  unsigned version = 0;
  ASSERT_EQ(CU(cuCtxCreate_v2)(&context, 0, 0), CUDA_SUCCESS);
  ASSERT_EQ(CU(cuCtxAttach)(&attached, 0), CUDA_SUCCESS);
  EXPECT_EQ(attached, context);
  EXPECT_EQ(CU(cuCtxDetach)(context_), CUDA_ERROR_INVALID_CONTEXT);
  EXPECT_EQ(CU(cuCtxDestroy)(context), CUDA_ERROR_INVALID_CONTEXT);
  ASSERT_EQ(CU(cuCtxDetach)(context), CUDA_SUCCESS);
  EXPECT_EQ(CU(cuCtxGetApiVersion)(context, &version), CUDA_SUCCESS);
  ASSERT_EQ(CU(cuCtxDetach)(context), CUDA_SUCCESS);
  EXPECT_EQ(CU(cuCtxGetApiVersion)(context, &version),
            CUDA_ERROR_INVALID_CONTEXT);
  ASSERT_EQ(CU(cuCtxCreate_v2)(&context, 0, 0), CUDA_SUCCESS);
  EXPECT_EQ(CU(cuCtxDestroy)(context_), CUDA_ERROR_INVALID_CONTEXT);
  ASSERT_EQ(CU(cuCtxDestroy)(context), CUDA_SUCCESS);
  CUcontext current = nullptr;
  ASSERT_EQ(CU(cuCtxGetCurrent)(&current), CUDA_SUCCESS);
  EXPECT_EQ(current, context_);
}

TEST_F(InContext, IsCurrentInItsThreadOnly) {
  std::thread([this] {
    CUdeviceptr address = 0;
    EXPECT_EQ(CU(cuMemAlloc_v2)(&address, 4), CUDA_ERROR_INVALID_CONTEXT);
    EXPECT_EQ(CU(cuCtxSetCurrent)(context_), CUDA_SUCCESS);
    EXPECT_EQ(CU(cuMemAlloc_v2)(&address, 4), CUDA_SUCCESS);
  }).join();
}

TEST_F(InContext, PushAndPopNest) {
  CUcontext inner = nullptr;
  CUcontext popped = nullptr;
  ASSERT_EQ(CU(cuCtxCreate_v2)(&inner, 0, 0), CUDA_SUCCESS);
  ASSERT_EQ(CU(cuCtxPopCurrent_v2)(&popped), CUDA_SUCCESS);
  EXPECT_EQ(popped, inner);
  CUcontext current = nullptr;
  ASSERT_EQ(CU(cuCtxGetCurrent)(&current), CUDA_SUCCESS);
  EXPECT_EQ(current, context_);
  ASSERT_EQ(CU(cuCtxPushCurrent_v2)(inner), CUDA_SUCCESS);
  ASSERT_EQ(CU(cuCtxDestroy_v2)(inner), CUDA_SUCCESS);
  ASSERT_EQ(CU(cuCtxGetCurrent)(&current), CUDA_SUCCESS);
  EXPECT_EQ(current, context_);
}

TEST(PrimaryContext, IsOneADeviceAndCounted) {
  CUcontext first = nullptr;
  CUcontext second = nullptr;
  ASSERT_EQ(CU(cuDevicePrimaryCtxRetain)(&first, 0), CUDA_SUCCESS);
  ASSERT_EQ(CU(cuDevicePrimaryCtxRetain)(&second, 0), CUDA_SUCCESS);
  EXPECT_EQ(first, second);
  unsigned flags = 0;
  int active = 0;
  EXPECT_EQ(CU(cuDevicePrimaryCtxRelease_v2)(0), CUDA_SUCCESS);
  ASSERT_EQ(CU(cuDevicePrimaryCtxGetState)(0, &flags, &active), CUDA_SUCCESS);
  EXPECT_EQ(active, 1);
  EXPECT_EQ(CU(cuDevicePrimaryCtxRelease_v2)(0), CUDA_SUCCESS);
  ASSERT_EQ(CU(cuDevicePrimaryCtxGetState)(0, &flags, &active), CUDA_SUCCESS);
  EXPECT_EQ(active, 0);
  EXPECT_EQ(CU(cuDevicePrimaryCtxRelease_v2)(0), CUDA_ERROR_INVALID_CONTEXT);
}

class Memory : public InContext {
 protected:
  static std::size_t free_bytes() {
    std::size_t free = 0;
    std::size_t total = 0;
    EXPECT_EQ(CU(cuMemGetInfo_v2)(&free, &total), CUDA_SUCCESS);
    EXPECT_LE(free, total);
    return free;
  }
};

TEST_F(Memory, IsTakenFromTheDeviceAndGivenBack) {
  constexpr std::size_t kBytes = std::size_t{64} << 20;
  const std::size_t before = free_bytes();
  CUdeviceptr address = 0;
  ASSERT_EQ(CU(cuMemAlloc_v2)(&address, kBytes), CUDA_SUCCESS);
  EXPECT_EQ(before - free_bytes(), kBytes);
  EXPECT_EQ(CU(cuMemFree_v2)(address), CUDA_SUCCESS);
  EXPECT_EQ(free_bytes(), before);
}

TEST_F(Memory, IsRefusedBeyondWhatIsFree) {
  std::size_t free = 0;
  std::size_t total = 0;
  ASSERT_EQ(CU(cuMemGetInfo_v2)(&free, &total), CUDA_SUCCESS);
  CUdeviceptr address = 0;
  EXPECT_EQ(CU(cuMemAlloc_v2)(&address, total + 1), CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT_EQ(CU(cuMemAlloc_v2)(&address, std::size_t{1} << 62),
            CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT_EQ(CU(cuMemAlloc_v2)(&address, 4), CUDA_SUCCESS);
}

TEST_F(Memory, RefusesNothingNullAndStrangers) {
  CUdeviceptr address = 0;
  EXPECT_EQ(CU(cuMemAlloc_v2)(&address, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(CU(cuMemAlloc_v2)(nullptr, 4), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(CU(cuMemFree_v2)(0), CUDA_SUCCESS);
  ASSERT_EQ(CU(cuMemAlloc_v2)(&address, 1024), CUDA_SUCCESS);
  EXPECT_EQ(CU(cuMemFree_v2)(address + 256), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(CU(cuMemFree_v2)(address), CUDA_SUCCESS);
  EXPECT_EQ(CU(cuMemFree_v2)(address), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(Memory, PitchCoversTheWidth) {
  CUdeviceptr address = 0;
  std::size_t pitch = 0;
  ASSERT_EQ(CU(cuMemAllocPitch_v2)(&address, &pitch, 1000, 10, 4),
            CUDA_SUCCESS);
  EXPECT_EQ(pitch, 1024U);
  EXPECT_EQ(CU(cuMemAllocPitch_v2)(&address, &pitch, 1000, 10, 3),
            CUDA_ERROR_INVALID_VALUE);
}

TEST_F(Memory, HostMemoryIsTheHosts) {
  void* memory = nullptr;
  ASSERT_EQ(CU(cuMemAllocHost_v2)(&memory, 4096), CUDA_SUCCESS);
  std::memset(memory, 7, 4096);
  EXPECT_EQ(CU(cuMemFreeHost)(memory), CUDA_SUCCESS);
}

TEST_F(Memory, OrderedByAStreamComesAndGoes) {
  CUdeviceptr address = 0;
  CUstream stream = nullptr;
  ASSERT_EQ(CU(cuStreamCreate)(&stream, 1), CUDA_SUCCESS);
  ASSERT_EQ(CU(cuMemAllocAsync)(&address, 1000, stream), CUDA_SUCCESS);
  EXPECT_EQ(CU(cuMemsetD8Async)(address, 1, 1000, stream), CUDA_SUCCESS);
  EXPECT_EQ(CU(cuMemFreeAsync)(address, stream), CUDA_SUCCESS);
  EXPECT_EQ(CU(cuStreamSynchronize)(stream), CUDA_SUCCESS);
  EXPECT_EQ(CU(cuStreamDestroy_v2)(stream), CUDA_SUCCESS);
}

TEST_F(Memory, KnowsWhereAnAddressBelongs) {
  CUdeviceptr address = 0;
  ASSERT_EQ(CU(cuMemAlloc_v2)(&address, 4096), CUDA_SUCCESS);
  CUdeviceptr base = 0;
  std::size_t bytes = 0;
  ASSERT_EQ(CU(cuMemGetAddressRange_v2)(&base, &bytes, address + 100),
            CUDA_SUCCESS);
  EXPECT_EQ(base, address);
  EXPECT_EQ(bytes, 4096U);
  unsigned type = 0;
  ASSERT_EQ(CU(cuPointerGetAttribute)(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
                                      address),
            CUDA_SUCCESS);
  EXPECT_EQ(type, static_cast<unsigned>(CU_MEMORYTYPE_DEVICE));
  int ordinal = -1;
  ASSERT_EQ(CU(cuPointerGetAttribute)(
                &ordinal, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, address),
            CUDA_SUCCESS);
  EXPECT_EQ(ordinal, 0);
}

class Copy : public Memory {
 protected:
  void SetUp() override {
    Memory::SetUp();
    ASSERT_EQ(CU(cuMemAlloc_v2)(&a_, kBytes), CUDA_SUCCESS);
    ASSERT_EQ(CU(cuMemAlloc_v2)(&b_, kBytes), CUDA_SUCCESS);
  }

  static constexpr std::size_t kBytes = 4096;
  CUdeviceptr a_ = 0;
  CUdeviceptr b_ = 0;
};

TEST_F(Copy, GoesThroughTheDeviceUnchanged) {
  std::vector<unsigned char> in(kBytes);
  std::vector<unsigned char> out(kBytes);
  for (std::size_t i = 0; i < kBytes; ++i) {
    in[i] = static_cast<unsigned char>(i * 7);
  }
  ASSERT_EQ(CU(cuMemcpyHtoD_v2)(a_, in.data(), kBytes), CUDA_SUCCESS);
  ASSERT_EQ(CU(cuMemcpyDtoD_v2)(b_, a_, kBytes), CUDA_SUCCESS);
  ASSERT_EQ(CU(cuMemcpyDtoH_v2)(out.data(), b_, kBytes), CUDA_SUCCESS);
  EXPECT_EQ(in, out);
  // Inside an allocation.
  ASSERT_EQ(CU(cuMemcpyDtoHAsync_v2)(out.data(), b_ + 16, 16, nullptr),
            CUDA_SUCCESS);
  ASSERT_EQ(CU(cuStreamSynchronize)(nullptr), CUDA_SUCCESS);
  EXPECT_EQ(std::memcmp(out.data(), in.data() + 16, 16), 0);
}

TEST_F(Copy, BeyondTheEndIsRefused) {
  std::vector<unsigned char> bytes(kBytes);
  EXPECT_EQ(CU(cuMemcpyDtoH_v2)(bytes.data(), 16, 16),
            CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(CU(cuMemcpyHtoD_v2)(16, bytes.data(), 16),
            CUDA_ERROR_INVALID_VALUE);
}

TEST_F(Copy, FillsRepeatTheirUnit) {
  std::array<std::uint32_t, 4> words{};
  ASSERT_EQ(CU(cuMemsetD8_v2)(a_, 0xab, kBytes), CUDA_SUCCESS);
  ASSERT_EQ(CU(cuMemsetD16_v2)(a_ + 4, 0x1234, 2), CUDA_SUCCESS);
  ASSERT_EQ(CU(cuMemsetD32_v2)(a_ + 8, 0xdeadbeef, 1), CUDA_SUCCESS);
  ASSERT_EQ(CU(cuMemcpyDtoH_v2)(words.data(), a_, sizeof words), CUDA_SUCCESS);
  EXPECT_EQ(words[0], 0xababababU);
  EXPECT_EQ(words[1], 0x12341234U);
  EXPECT_EQ(words[2], 0xdeadbeefU);
  EXPECT_EQ(words[3], 0xababababU);
}

TEST_F(InContext, EventsMeasureTheTimeBetweenThem) {
  CUevent start = nullptr;
  CUevent end = nullptr;
  ASSERT_EQ(CU(cuEventCreate)(&start, 0), CUDA_SUCCESS);
  ASSERT_EQ(CU(cuEventCreate)(&end, 0), CUDA_SUCCESS);
  float milliseconds = -1;
  EXPECT_EQ(CU(cuEventElapsedTime)(&milliseconds, start, end),
            CUDA_ERROR_INVALID_HANDLE);
  ASSERT_EQ(CU(cuEventRecord)(start, nullptr), CUDA_SUCCESS);
  ASSERT_EQ(CU(cuEventRecord)(end, nullptr), CUDA_SUCCESS);
  ASSERT_EQ(CU(cuEventSynchronize)(end), CUDA_SUCCESS);
  EXPECT_EQ(CU(cuEventQuery)(end), CUDA_SUCCESS);
  ASSERT_EQ(CU(cuEventElapsedTime)(&milliseconds, start, end), CUDA_SUCCESS);
  EXPECT_GE(milliseconds, 0);
  EXPECT_EQ(CU(cuEventDestroy_v2)(start), CUDA_SUCCESS);
  EXPECT_EQ(CU(cuEventDestroy_v2)(end), CUDA_SUCCESS);
}

}  // namespace
}  // namespace gpunode::fake_cuda
