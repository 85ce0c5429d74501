// LoadedLibrary: an NVML library opened by path, for tests.
#pragma once

#include <dlfcn.h>

#include <string>

#include <gtest/gtest.h>

#include "gpu/abi/nvml.h"

namespace gpunode::fake_nvml {

/// Opened for the rest of the process.
class LoadedLibrary {
 public:
  explicit LoadedLibrary(const std::string& path)
      : handle_(::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {}

  bool is_open() const { return handle_ != nullptr; }

  /// Null for a call that the library lacks.
  template <class Function>
  Function find(const char* name) const {
    return reinterpret_cast<Function>(::dlsym(handle_, name));
  }

 private:
  void* handle_;
};

}  // namespace gpunode::fake_nvml

/// NVML(library, nvmlInit_v2)() calls it with its own type.
// NOLINTNEXTLINE(bugprone-macro-parentheses): `name` is a declaration's name.
#define NVML(library, name) ((library).find<decltype(&::name)>(#name))
