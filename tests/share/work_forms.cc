#include "tests/share/work_forms.h"

#include "gpu/abi/cuda_memory.h"
#include "gpu/abi/cuda_work.h"

namespace gpunode::share {
namespace {

constexpr const char* kModule =
    ".version 6.0\n.target sm_50\n.address_size 64\n"
    ".visible .entry nothing() { ret; }\n";
constexpr std::size_t kBytes = 256;

abi::CUfunction nothing = nullptr;
abi::CUgraphExec graph = nullptr;
abi::CUdeviceptr to = 0;
abi::CUdeviceptr from = 0;

abi::CUlaunchConfig one_thread() {
  return {1, 1, 1, 1, 1, 1, 0, nullptr, nullptr, 0};
}

}  // namespace

bool prepare_forms() {
  abi::CUmodule module = nullptr;
  abi::CUgraph empty = nullptr;
  return abi::cuModuleLoadData(&module, kModule) == abi::CUDA_SUCCESS &&
         abi::cuModuleGetFunction(&nothing, module, "nothing") ==
             abi::CUDA_SUCCESS &&
         abi::cuMemAlloc_v2(&to, kBytes) == abi::CUDA_SUCCESS &&
         abi::cuMemAlloc_v2(&from, kBytes) == abi::CUDA_SUCCESS &&
         abi::cuGraphCreate(&empty, 0) == abi::CUDA_SUCCESS &&
         abi::cuGraphInstantiateWithFlags(&graph, empty, 0) ==
             abi::CUDA_SUCCESS;
}

#define FORM(name, ...)                          \
  {                                              \
#name, [] { return abi::name(__VA_ARGS__); } \
  }

const std::vector<WorkForm>& work_forms() {
  static const std::vector<WorkForm> kAll = {
      FORM(cuLaunchKernel, nothing, 1, 1, 1, 1, 1, 1, 0, nullptr, nullptr,
           nullptr),
      FORM(cuLaunchKernel_ptsz, nothing, 1, 1, 1, 1, 1, 1, 0, nullptr, nullptr,
           nullptr),
      {"cuLaunchKernelEx",
       [] {
         const abi::CUlaunchConfig config = one_thread();
         return abi::cuLaunchKernelEx(&config, nothing, nullptr, nullptr);
       }},
      {"cuLaunchKernelEx_ptsz",
       [] {
         const abi::CUlaunchConfig config = one_thread();
         return abi::cuLaunchKernelEx_ptsz(&config, nothing, nullptr, nullptr);
       }},
      FORM(cuLaunchCooperativeKernel, nothing, 1, 1, 1, 1, 1, 1, 0, nullptr,
           nullptr),
      FORM(cuLaunchCooperativeKernel_ptsz, nothing, 1, 1, 1, 1, 1, 1, 0,
           nullptr, nullptr),
      FORM(cuMemcpy, to, from, kBytes),
      FORM(cuMemcpy_ptds, to, from, kBytes),
      FORM(cuMemcpyAsync, to, from, kBytes, nullptr),
      FORM(cuMemcpyAsync_ptsz, to, from, kBytes, nullptr),
      FORM(cuMemcpyDtoD_v2, to, from, kBytes),
      FORM(cuMemcpyDtoD_v2_ptds, to, from, kBytes),
      FORM(cuMemcpyDtoDAsync_v2, to, from, kBytes, nullptr),
      FORM(cuMemcpyDtoDAsync_v2_ptsz, to, from, kBytes, nullptr),
      FORM(cuMemsetD8_v2, to, 1, kBytes),
      FORM(cuMemsetD8_v2_ptds, to, 1, kBytes),
      FORM(cuMemsetD16_v2, to, 1, kBytes / 2),
      FORM(cuMemsetD16_v2_ptds, to, 1, kBytes / 2),
      FORM(cuMemsetD32_v2, to, 1, kBytes / 4),
      FORM(cuMemsetD32_v2_ptds, to, 1, kBytes / 4),
      FORM(cuMemsetD8Async, to, 1, kBytes, nullptr),
      FORM(cuMemsetD8Async_ptsz, to, 1, kBytes, nullptr),
      FORM(cuMemsetD16Async, to, 1, kBytes / 2, nullptr),
      FORM(cuMemsetD16Async_ptsz, to, 1, kBytes / 2, nullptr),
      FORM(cuMemsetD32Async, to, 1, kBytes / 4, nullptr),
      FORM(cuMemsetD32Async_ptsz, to, 1, kBytes / 4, nullptr),
      FORM(cuGraphLaunch, graph, nullptr),
      FORM(cuGraphLaunch_ptsz, graph, nullptr),
  };
  return kAll;
}

#undef FORM

}  // namespace gpunode::share
