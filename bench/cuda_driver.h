// The CUDA driver for programs of this folder that run beside a real GPU: found
// by dlopen, as nothing here links against it. What goes wrong ends the
// program, with words.
#pragma once

#include <dlfcn.h>

#include <array>
#include <cstddef>
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

/// The UUID of device 0, as NVML writes it.
inline std::string uuid_of_first() {
  check("cuInit", DRIVER(cuInit)(0));
  abi::CUuuid uuid = {};
  check("cuDeviceGetUuid", DRIVER(cuDeviceGetUuid)(&uuid, 0));
  std::string text = "GPU";
  for (std::size_t at = 0; at < sizeof uuid.bytes; ++at) {
    if (at == 0 || at == 4 || at == 6 || at == 8 || at == 10) text += '-';
    std::array<char, 3> digits = {};
    std::snprintf(digits.data(), digits.size(), "%02x",
                  static_cast<unsigned char>(uuid.bytes[at]));
    text += digits.data();
  }
  return text;
}

}  // namespace gpunode::bench
