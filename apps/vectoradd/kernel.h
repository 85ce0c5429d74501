// The kernel, as PTX text that every driver since CUDA 6 compiles.
#pragma once

namespace gpunode::vectoradd {

/// PTX with one entry, kernel_name()(u64 a, u64 b, u64 sum, u32 count):
/// sum[i] = a[i] + b[i] in FP32 for the i < count, one thread an element.
const char* kernel_ptx();
const char* kernel_name();

}  // namespace gpunode::vectoradd
