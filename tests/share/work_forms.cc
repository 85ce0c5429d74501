#include "tests/share/work_forms.h"

#include "gpu/abi/cuda_copy.h"
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
abi::CUarray array = nullptr;
abi::CUstream stream = nullptr;
abi::CUcontext here = nullptr;
abi::CUcontext beside = nullptr;     ///< Of the same Device.
abi::CUcontext elsewhere = nullptr;  ///< Null: there is one Device.

abi::CUlaunchConfig one_thread() {
  return {1, 1, 1, 1, 1, 1, 0, nullptr, nullptr, 0};
}

/// Of what is said in a description.
std::byte host[kBytes];  // NOLINT(*-avoid-c-arrays): an address.

template <typename Copy>
Copy described(abi::CUmemorytype to_type, abi::CUmemorytype from_type) {
  Copy copy = {};
  copy.dstMemoryType = to_type;
  copy.dstHost = host;
  copy.dstDevice = to;
  copy.dstArray = array;
  copy.dstPitch = 64;
  copy.srcMemoryType = from_type;
  copy.srcHost = host;
  copy.srcDevice = from;
  copy.srcArray = array;
  copy.srcPitch = 64;
  copy.WidthInBytes = 32;
  copy.Height = 2;
  return copy;
}

abi::CUDA_MEMCPY2D rows(
    abi::CUmemorytype to_type = abi::CU_MEMORYTYPE_DEVICE,
    abi::CUmemorytype from_type = abi::CU_MEMORYTYPE_DEVICE) {
  return described<abi::CUDA_MEMCPY2D>(to_type, from_type);
}

abi::CUDA_MEMCPY3D layers(
    abi::CUmemorytype to_type = abi::CU_MEMORYTYPE_DEVICE,
    abi::CUmemorytype from_type = abi::CU_MEMORYTYPE_DEVICE) {
  auto copy = described<abi::CUDA_MEMCPY3D>(to_type, from_type);
  copy.dstHeight = 2;
  copy.srcHeight = 2;
  copy.Depth = 2;
  return copy;
}

abi::CUDA_MEMCPY3D_PEER layers_of(
    abi::CUcontext to_context, abi::CUcontext from_context,
    abi::CUmemorytype from_type = abi::CU_MEMORYTYPE_DEVICE) {
  auto copy =
      described<abi::CUDA_MEMCPY3D_PEER>(abi::CU_MEMORYTYPE_DEVICE, from_type);
  copy.dstContext = to_context;
  copy.srcContext = from_context;
  copy.dstHeight = 2;
  copy.srcHeight = 2;
  copy.Depth = 2;
  return copy;
}

/// What a batch is made of; nothing looks into the last one.
std::size_t sizes[1] = {kBytes};  // NOLINT(*-avoid-c-arrays): an address.
std::size_t failed = 0;
auto* const kOneCopy =
    reinterpret_cast<abi::CUDA_MEMCPY3D_BATCH_OP*>(static_cast<void*>(host));

bool prepare_array() {
  const abi::CUDA_ARRAY_DESCRIPTOR descriptor = {
      64, 64, abi::CU_AD_FORMAT_UNSIGNED_INT8, 1};
  return abi::cuArrayCreate_v2(&array, &descriptor) == abi::CUDA_SUCCESS;
}

/// The current one stays so.
bool prepare_contexts() {
  int devices = 0;
  if (abi::cuCtxGetCurrent(&here) != abi::CUDA_SUCCESS ||
      abi::cuDeviceGetCount(&devices) != abi::CUDA_SUCCESS ||
      abi::cuCtxCreate_v2(&beside, 0, 0) != abi::CUDA_SUCCESS ||
      (devices > 1 &&
       abi::cuCtxCreate_v2(&elsewhere, 0, 1) != abi::CUDA_SUCCESS)) {
    return false;
  }
  return abi::cuCtxSetCurrent(here) == abi::CUDA_SUCCESS;
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
         abi::cuStreamCreate(&stream, 0) == abi::CUDA_SUCCESS &&
         prepare_array() && prepare_contexts() &&
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
      FORM(cuMemcpyAtoA_v2, array, 0, array, 0, 16),
      FORM(cuMemcpyAtoD_v2, to, array, 0, 16),
      FORM(cuMemcpyDtoA_v2, array, 0, from, 16),
      FORM(cuMemcpyAtoA_v2_ptds, array, 0, array, 0, 16),
      FORM(cuMemcpyAtoD_v2_ptds, to, array, 0, 16),
      FORM(cuMemcpyDtoA_v2_ptds, array, 0, from, 16),
      {"cuMemcpy2D_v2",
       [] {
         const auto copy = rows();
         return abi::cuMemcpy2D_v2(&copy);
       }},
      {"cuMemcpy2D_v2_ptds",
       [] {
         const auto copy = rows();
         return abi::cuMemcpy2D_v2_ptds(&copy);
       }},
      {"cuMemcpy2DUnaligned_v2",
       [] {
         const auto copy = rows();
         return abi::cuMemcpy2DUnaligned_v2(&copy);
       }},
      {"cuMemcpy2DUnaligned_v2_ptds",
       [] {
         const auto copy = rows();
         return abi::cuMemcpy2DUnaligned_v2_ptds(&copy);
       }},
      {"cuMemcpy3D_v2",
       [] {
         const auto copy = layers();
         return abi::cuMemcpy3D_v2(&copy);
       }},
      {"cuMemcpy3D_v2_ptds",
       [] {
         const auto copy = layers();
         return abi::cuMemcpy3D_v2_ptds(&copy);
       }},
      {"cuMemcpy2DAsync_v2",
       [] {
         const auto copy = rows();
         return abi::cuMemcpy2DAsync_v2(&copy, nullptr);
       }},
      {"cuMemcpy2DAsync_v2_ptsz",
       [] {
         const auto copy = rows();
         return abi::cuMemcpy2DAsync_v2_ptsz(&copy, nullptr);
       }},
      {"cuMemcpy3DAsync_v2",
       [] {
         const auto copy = layers();
         return abi::cuMemcpy3DAsync_v2(&copy, nullptr);
       }},
      {"cuMemcpy3DAsync_v2_ptsz",
       [] {
         const auto copy = layers();
         return abi::cuMemcpy3DAsync_v2_ptsz(&copy, nullptr);
       }},
      {"cuMemcpy2D_v2 of any",
       [] {
         const auto copy =
             rows(abi::CU_MEMORYTYPE_UNIFIED, abi::CU_MEMORYTYPE_UNIFIED);
         return abi::cuMemcpy2D_v2(&copy);
       }},
      {"cuMemcpy3D_v2 of arrays",
       [] {
         const auto copy =
             layers(abi::CU_MEMORYTYPE_ARRAY, abi::CU_MEMORYTYPE_ARRAY);
         return abi::cuMemcpy3D_v2(&copy);
       }},
      {"cuMemcpy3DPeer",
       [] {
         const auto copy = layers_of(here, here);
         return abi::cuMemcpy3DPeer(&copy);
       }},
      {"cuMemcpy3DPeer_ptds",
       [] {
         const auto copy = layers_of(here, here);
         return abi::cuMemcpy3DPeer_ptds(&copy);
       }},
      {"cuMemcpy3DPeerAsync",
       [] {
         const auto copy = layers_of(here, here);
         return abi::cuMemcpy3DPeerAsync(&copy, nullptr);
       }},
      {"cuMemcpy3DPeerAsync_ptsz",
       [] {
         const auto copy = layers_of(here, here);
         return abi::cuMemcpy3DPeerAsync_ptsz(&copy, nullptr);
       }},
      FORM(cuMemcpyPeer, to, here, from, here, kBytes),
      FORM(cuMemcpyPeer_ptds, to, here, from, here, kBytes),
      FORM(cuMemcpyPeerAsync, to, here, from, beside, kBytes, nullptr),
      FORM(cuMemcpyPeerAsync_ptsz, to, here, from, beside, kBytes, nullptr),
      FORM(cuMemcpyBatchAsync, &to, &from, sizes, 1, nullptr, nullptr, 0,
           &failed, stream),
      FORM(cuMemcpyBatchAsync_v2, &to, &from, sizes, 1, nullptr, nullptr, 0,
           stream),
      FORM(cuMemcpy3DBatchAsync, 1, kOneCopy, &failed, 0, stream),
      FORM(cuMemcpy3DBatchAsync_v2, 1, kOneCopy, 0, stream),
      FORM(cuMemcpyWithAttributesAsync, to, from, kBytes, nullptr, stream),
      FORM(cuMemcpy3DWithAttributesAsync, kOneCopy, 0, stream),
      FORM(cuMemcpyBatchAsync_ptsz, &to, &from, sizes, 1, nullptr, nullptr, 0,
           &failed, stream),
      FORM(cuMemcpyBatchAsync_v2_ptsz, &to, &from, sizes, 1, nullptr, nullptr,
           0, stream),
      FORM(cuMemcpy3DBatchAsync_ptsz, 1, kOneCopy, &failed, 0, stream),
      FORM(cuMemcpy3DBatchAsync_v2_ptsz, 1, kOneCopy, 0, stream),
      FORM(cuMemcpyWithAttributesAsync_ptsz, to, from, kBytes, nullptr, stream),
      FORM(cuMemcpy3DWithAttributesAsync_ptsz, kOneCopy, 0, stream),
      FORM(cuMemsetD2D8_v2, to, 64, 1, 32, 2),
      FORM(cuMemsetD2D8_v2_ptds, to, 64, 1, 32, 2),
      FORM(cuMemsetD2D8Async, to, 64, 1, 32, 2, nullptr),
      FORM(cuMemsetD2D8Async_ptsz, to, 64, 1, 32, 2, nullptr),
      FORM(cuMemsetD2D16_v2, to, 64, 1, 16, 2),
      FORM(cuMemsetD2D16_v2_ptds, to, 64, 1, 16, 2),
      FORM(cuMemsetD2D16Async, to, 64, 1, 16, 2, nullptr),
      FORM(cuMemsetD2D16Async_ptsz, to, 64, 1, 16, 2, nullptr),
      FORM(cuMemsetD2D32_v2, to, 64, 1, 8, 2),
      FORM(cuMemsetD2D32_v2_ptds, to, 64, 1, 8, 2),
      FORM(cuMemsetD2D32Async, to, 64, 1, 8, 2, nullptr),
      FORM(cuMemsetD2D32Async_ptsz, to, 64, 1, 8, 2, nullptr),
      FORM(cuGraphLaunch, graph, nullptr),
      FORM(cuGraphLaunch_ptsz, graph, nullptr),
  };
  return kAll;
}

const std::vector<WorkForm>& copies_of_others() {
  static const std::vector<WorkForm> kAll = {
      {"cuMemcpy2D_v2",
       [] {
         const auto copy =
             rows(abi::CU_MEMORYTYPE_HOST, abi::CU_MEMORYTYPE_DEVICE);
         return abi::cuMemcpy2D_v2(&copy);
       }},
      {"cuMemcpy2DUnaligned_v2_ptds",
       [] {
         const auto copy =
             rows(abi::CU_MEMORYTYPE_DEVICE, abi::CU_MEMORYTYPE_HOST);
         return abi::cuMemcpy2DUnaligned_v2_ptds(&copy);
       }},
      {"cuMemcpy2DAsync_v2",
       [] {
         const auto copy =
             rows(abi::CU_MEMORYTYPE_DEVICE, abi::CU_MEMORYTYPE_HOST);
         return abi::cuMemcpy2DAsync_v2(&copy, nullptr);
       }},
      {"cuMemcpy3D_v2_ptds",
       [] {
         const auto copy =
             layers(abi::CU_MEMORYTYPE_HOST, abi::CU_MEMORYTYPE_DEVICE);
         return abi::cuMemcpy3D_v2_ptds(&copy);
       }},
      {"cuMemcpy3DAsync_v2_ptsz",
       [] {
         const auto copy =
             layers(abi::CU_MEMORYTYPE_DEVICE, abi::CU_MEMORYTYPE_HOST);
         return abi::cuMemcpy3DAsync_v2_ptsz(&copy, nullptr);
       }},
      {"cuMemcpy3DPeer",
       [] {
         const auto copy = layers_of(here, here, abi::CU_MEMORYTYPE_HOST);
         return abi::cuMemcpy3DPeer(&copy);
       }},
  };
  static const std::vector<WorkForm> kWithPeers = [] {
    std::vector<WorkForm> all = kAll;
    const std::vector<WorkForm> peers = {
        FORM(cuMemcpyPeer, to, here, from, elsewhere, kBytes),
        FORM(cuMemcpyPeer_ptds, to, elsewhere, from, here, kBytes),
        FORM(cuMemcpyPeerAsync, to, elsewhere, from, here, kBytes, nullptr),
        FORM(cuMemcpyPeerAsync_ptsz, to, elsewhere, from, elsewhere, kBytes,
             nullptr),
        {"cuMemcpy3DPeer",
         [] {
           const auto copy = layers_of(here, elsewhere);
           return abi::cuMemcpy3DPeer(&copy);
         }},
        {"cuMemcpy3DPeerAsync",
         [] {
           const auto copy = layers_of(elsewhere, here);
           return abi::cuMemcpy3DPeerAsync(&copy, nullptr);
         }},
    };
    all.insert(all.end(), peers.begin(), peers.end());
    return all;
  }();
  return elsewhere == nullptr ? kAll : kWithPeers;
}

#undef FORM

}  // namespace gpunode::share
