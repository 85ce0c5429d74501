#include "demo/programs.h"

#include <unistd.h>

namespace gpunode::demo {

namespace {

std::string find_runc() {
  for (const char* path : {"/usr/local/sbin/runc", "/usr/local/bin/runc",
                           "/usr/sbin/runc", "/usr/bin/runc"}) {
    if (::access(path, X_OK) == 0) return path;
  }
  return "";
}

}  // namespace

Programs built_programs() {
  Programs programs;
  programs.gpunode = GPUNODE_DEMO_GPUNODE;
  programs.seed = GPUNODE_DEMO_SEED;
  programs.recorded_host = GPUNODE_DEMO_RECORDED_HOST;
  programs.agent = GPUNODE_DEMO_AGENT;
  programs.vectoradd = GPUNODE_DEMO_VECTORADD;
  programs.cuda_library = GPUNODE_DEMO_CUDA;
  programs.nvml_library = GPUNODE_DEMO_NVML;
  programs.profile = GPUNODE_DEMO_PROFILE;
  programs.runc = find_runc();
  return programs;
}

}  // namespace gpunode::demo
