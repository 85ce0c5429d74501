// Takes of each GPU that the process sees, in turn, blocks of 1 MiB until it is
// refused, and says what it saw and got: a word and a number a line.
#include <cstdio>

#include "gpu/abi/cuda.h"

namespace abi = gpunode::abi;

int main() {
  const int started = abi::cuInit(0);
  std::printf("init %d\n", started);
  int count = 0;
  if (started != abi::CUDA_SUCCESS) return 0;
  abi::cuDeviceGetCount(&count);
  std::printf("count %d\n", count);
  for (int ordinal = 0; ordinal < count; ++ordinal) {
    abi::CUcontext context = nullptr;
    abi::cuDevicePrimaryCtxRetain(&context, ordinal);
    abi::cuCtxSetCurrent(context);
    std::size_t total = 0;
    std::size_t bytes = 0;
    std::size_t free = 0;
    abi::cuDeviceTotalMem_v2(&total, ordinal);
    abi::cuMemGetInfo_v2(&free, &bytes);
    int blocks = 0;
    abi::CUdeviceptr address = 0;
    while (blocks < 1000 &&
           abi::cuMemAlloc_v2(&address, 1 << 20) == abi::CUDA_SUCCESS) {
      ++blocks;
    }
    std::printf("total%d %zu\nfree%d %zu\nblocks%d %d\n", ordinal, total,
                ordinal, free, ordinal, blocks);
  }
  return 0;
}
