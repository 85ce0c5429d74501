// The CUDA driver for programs of this folder that run beside a real GPU: found
// by dlopen, as nothing here links against it. What goes wrong ends the
// program, with words.
#pragma once

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "gpu/abi/cuda.h"

namespace gpunode::bench {

[[noreturn]] inline void give_up(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);  // NOLINT(concurrency-mt-unsafe): nothing is to be cleared up.
}

/// The driver's function of this name.
template <typename Function>
Function* driver(const char* name) {
  static void* const kLibrary = dlopen("libcuda.so.1", RTLD_NOW);
  // NOLINTNEXTLINE(concurrency-mt-unsafe): glibc keeps a text a thread.
  if (kLibrary == nullptr) give_up(dlerror());
  void* const found = dlsym(kLibrary, name);
  if (found == nullptr) give_up(std::string("the driver has no ") + name);
  return reinterpret_cast<Function*>(found);
}

#define DRIVER(name) gpunode::bench::driver<decltype(gpunode::abi::name)>(#name)

inline void check(const char* what, abi::CUresult result) {
  if (result != abi::CUDA_SUCCESS) {
    give_up(std::string(what) + " gave " + std::to_string(result));
  }
}

}  // namespace gpunode::bench
