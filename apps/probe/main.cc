// gpunode-probe: loads the driver's NVML so that others need not.
//
// A library that hangs or crashes takes this process with it and nothing else.
// Of the old-glibc class: neither exceptions nor libstdc++ (docs/adr/0005).
#include <cstdio>
#include <cstring>

#include "apps/probe/nvml_report.h"

namespace {

constexpr int kDone = 0;
constexpr int kFailed = 1;
constexpr int kUsage = 64;

constexpr const char* kHelp =
    "gpunode-probe: what only the driver's library tells of the GPUs, as "
    "JSON.\n"
    "\n"
    "usage: gpunode-probe [--library FILE]\n"
    "       gpunode-probe --help | --version\n"
    "\n"
    "  --library FILE   load this libnvidia-ml.so.1; else the loader finds it\n"
    "\n"
    "gpunode runs it for what the kernel's files do not tell. It wakes every\n"
    "GPU, which takes seconds on a node without persistence mode.\n"
    "Exit code 0: done; 1: the library does not load or answer; 64: usage.\n";

int run(const char* library) {
  gpunode::probe::Nvml nvml;
  if (const char* problem = gpunode::probe::load_nvml(library, &nvml)) {
    std::fprintf(stderr,
                 "gpunode-probe: %s; is the driver's user-space part "
                 "installed?\n",
                 problem);
    return kFailed;
  }
  const bool is_reported = gpunode::probe::report(nvml, stdout, stderr);
  return is_reported && std::fflush(stdout) == 0 ? kDone : kFailed;
}

}  // namespace

extern "C" int main(int argc, char** argv) {
  const char* library = "libnvidia-ml.so.1";
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--help") == 0) {
      return std::fputs(kHelp, stdout) < 0 ? kFailed : kDone;
    }
    if (std::strcmp(argv[i], "--version") == 0) {
      return std::puts("gpunode-probe " GPUNODE_VERSION) < 0 ? kFailed : kDone;
    }
    if (std::strcmp(argv[i], "--library") == 0 && i + 1 < argc) {
      library = argv[++i];
      continue;
    }
    std::fprintf(
        stderr, "gpunode-probe: %s: not understood; see gpunode-probe --help\n",
        argv[i]);
    return kUsage;
  }
  return run(library);
}
