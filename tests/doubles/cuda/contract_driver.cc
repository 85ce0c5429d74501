#include "tests/doubles/cuda/contract_driver.h"

#include <dlfcn.h>

#include <array>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace gpunode::fake_cuda {

namespace {

// ctest shows a test that exits so as skipped.
constexpr int kSkipped = 77;

abi::CUresult before_init = abi::CUDA_SUCCESS;

}  // namespace

const char* contract_library() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing changes the environment.
  const char* name = std::getenv("GPUNODE_CUDA_LIBRARY");
  return name == nullptr ? "libcuda.so.1" : name;
}

void* contract_symbol(const char* name) {
  static void* library = ::dlopen(contract_library(), RTLD_NOW);
  return library == nullptr ? nullptr : ::dlsym(library, name);
}

abi::CUresult result_before_init() {
  return before_init;
}

void InContext::SetUp() {
  ASSERT_EQ(CU(cuCtxCreate_v2)(&context_, 0, 0), abi::CUDA_SUCCESS);
}

void InContext::TearDown() {
  if (context_ != nullptr) {
    EXPECT_EQ(CU(cuCtxDestroy_v2)(context_), abi::CUDA_SUCCESS);
  }
}

abi::CUresult load_ptx(const std::string& ptx, abi::CUmodule* module,
                       std::string* log) {
  std::array<char, 4096> text{};
  std::array options = {abi::CU_JIT_ERROR_LOG_BUFFER,
                        abi::CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  std::array values = {static_cast<void*>(text.data()),
                       std::bit_cast<void*>(text.size())};
  const abi::CUresult result = CU(cuModuleLoadDataEx)(
      module, ptx.c_str(), 2, options.data(), values.data());
  *log = text.data();
  return result;
}

std::string kernel_around(const std::string& body) {
  return R"(.version 6.0
.target sm_52
.address_size 64
.visible .entry test(.param .u64 p_out, .param .u64 p_a, .param .u64 p_b,
                     .param .u64 p_c)
{
  .reg .u64 %out, %a, %b, %c, %rd<8>;
  .reg .b32 %r<8>;
  .reg .b16 %h<4>;
  .reg .f32 %f<8>;
  .reg .f64 %d<8>;
  .reg .pred %p<4>;
  ld.param.u64 %out, [p_out];
  ld.param.u64 %a, [p_a];
  ld.param.u64 %b, [p_b];
  ld.param.u64 %c, [p_c];
  cvta.to.global.u64 %out, %out;
)" + body +
         "\n  ret;\n}\n";
}

}  // namespace gpunode::fake_cuda

// A machine without a driver skips; one whose library was named must work.
int main(int argc, char** argv) {
  using gpunode::fake_cuda::contract_library;
  ::testing::InitGoogleTest(&argc, argv);
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing changes the environment.
  const bool is_named = std::getenv("GPUNODE_CUDA_LIBRARY") != nullptr;
  if (gpunode::fake_cuda::contract_symbol("cuInit") == nullptr) {
    std::printf("no CUDA driver: %s does not load\n", contract_library());
    return is_named ? 1 : gpunode::fake_cuda::kSkipped;
  }
  int count = 0;
  gpunode::fake_cuda::before_init = CU(cuDeviceGetCount)(&count);
  const gpunode::abi::CUresult result = CU(cuInit)(0);
  if (result != gpunode::abi::CUDA_SUCCESS) {
    std::printf("no CUDA device: cuInit gives %d\n", static_cast<int>(result));
    return is_named ? 1 : gpunode::fake_cuda::kSkipped;
  }
  return RUN_ALL_TESTS();
}
