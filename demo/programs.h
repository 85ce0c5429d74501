// The parts that the demo is played with, as built beside it.
#pragma once

#include <string>

namespace gpunode::demo {

struct Programs {
  std::string gpunode;
  std::string agent;
  std::string vectoradd;
  std::string cuda_library;
  std::string nvml_library;
  std::string profile;
  std::string seed;           ///< The seed's machine as a GPUNode file.
  std::string recorded_host;  ///< That machine, as a directory.
  std::string runc;           ///< Empty if this machine has none.
};

/// Those of this build, and the machine's runc.
Programs built_programs();

}  // namespace gpunode::demo
