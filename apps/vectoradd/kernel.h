// The kernel, as PTX text that every driver since CUDA 6 compiles.
#pragma once

namespace gpunode::vectoradd {

/// PTX with one entry, kKernelName(u64 a, u64 b, u64 sum, u32 count):
/// sum[i] = a[i] + b[i] in FP32 for the i < count, one thread an element.
extern const char* const kKernelPtx;
extern const char* const kKernelName;

}  // namespace gpunode::vectoradd
