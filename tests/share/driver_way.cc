#include "tests/share/driver_way.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdio>

namespace gpunode::share {
namespace {

void* library() {
  static void* const kLibrary = dlopen("libcuda.so.1", RTLD_NOW);
  return kLibrary;
}

}  // namespace

std::string way;

void end_with(int status) {
  std::fflush(stdout);
  _exit(status);
}

void* find_call(const char* name, const char* exported, void* linked) {
  void* found = nullptr;
  if (way == "linked") return linked;
  if (way == "dlsym") found = dlsym(library(), exported);
  if (way == "default") found = dlsym(RTLD_DEFAULT, exported);
  if (way == "dlvsym") {
    // The driver's names have no versions, and are found by none.
    found = dlvsym(library(), exported, "NONE");
    if (found == nullptr) found = dlsym(library(), exported);
  }
  if (way == "proc") {
    const auto ask = reinterpret_cast<decltype(&abi::cuGetProcAddress)>(
        dlsym(library(), "cuGetProcAddress"));
    ask(name, &found, 12000, 0);
  }
  if (way == "proc_v2") {
    // As the runtime does: it asks the first form for the second.
    const auto first = reinterpret_cast<decltype(&abi::cuGetProcAddress)>(
        dlsym(library(), "cuGetProcAddress"));
    void* second = nullptr;
    first("cuGetProcAddress", &second, 12000, 0);
    abi::CUdriverProcAddressQueryResult status = {};
    reinterpret_cast<decltype(&abi::cuGetProcAddress_v2)>(second)(
        name, &found, 13000, 0, &status);
  }
  if (found == nullptr) {
    std::printf("missing %s\n", exported);
    end_with(2);
  }
  return found;
}

}  // namespace gpunode::share
