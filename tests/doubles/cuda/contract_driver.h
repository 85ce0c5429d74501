// The CUDA driver under contract: the double, or the real one. Tests reach it
// through dlopen alone, so the same file judges both.
#pragma once

#include <cstdint>
#include <string>

#include <gtest/gtest.h>

#include "gpu/abi/cuda.h"

namespace gpunode::fake_cuda {

/// The library named by GPUNODE_CUDA_LIBRARY, else libcuda.so.1.
const char* contract_library();

/// dlsym in it; null if the library or the symbol is missing.
void* contract_symbol(const char* name);

template <class Function>
Function* contract_call(const char* name) {
  return reinterpret_cast<Function*>(contract_symbol(name));
}

/// CU(cuMemAlloc_v2)(&address, bytes). Not in parentheses: it names a type.
#define CU(name) \
  ::gpunode::fake_cuda::contract_call<decltype(::gpunode::abi::name)>(#name)

/// What cuDeviceGetCount said before the process called cuInit.
abi::CUresult result_before_init();

/// Tests inside a context of device 0, made and destroyed for each.
class InContext : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  abi::CUcontext context_ = nullptr;
};

/// Loads `ptx`, fails the test if that does; `log` gets the compiler's words.
abi::CUresult load_ptx(const std::string& ptx, abi::CUmodule* module,
                       std::string* log);

/// A module with one kernel `test(u64 out, u64 a, u64 b, u64 c)` whose body is
/// `body`, with %rd<8> %r<8> %h<4> %f<8> %d<8> %p<4> declared and %out, %a, %b,
/// %c loaded.
std::string kernel_around(const std::string& body);

}  // namespace gpunode::fake_cuda
