// How gpunode-vectoradd ends. Scripts rely on these numbers; --help prints
// them.
#pragma once

namespace gpunode::vectoradd {

enum class ExitCode {
  kPassed = 0,
  kCallFailed = 1,   ///< A CUDA call failed; its result's name is printed.
  kWrongResult = 3,  ///< The GPU computed something else.
  kNoLibrary = 4,    ///< libcuda.so.1 cannot be loaded.
  kNoDriver = 5,     ///< It loads, but there is no working driver behind it.
  kNoDevice = 6,     ///< The driver shows no GPU, or not the one asked for.
  kUsage = 64,
};

}  // namespace gpunode::vectoradd
