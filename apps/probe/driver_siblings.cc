#include "apps/probe/driver_siblings.h"

#include <dlfcn.h>

#include <cstdio>
#include <cstring>

namespace gpunode::probe {
namespace {

/// Of the JIT compiler, which PTX needs; a driver has some of them.
// NOLINTNEXTLINE(modernize-avoid-c-arrays): the subset has no std::array.
constexpr const char* kSiblings[] = {"libnvidia-ptxjitcompiler",
                                     "libnvidia-nvvm", "libnvidia-nvvm70",
                                     "libnvidia-gpucomp"};

}  // namespace

void load_siblings(const char* libcuda) {
  const char* slash = std::strrchr(libcuda, '/');
  const char* version = std::strstr(libcuda, "libcuda.so.");
  if (slash == nullptr || version != slash + 1) return;
  version += std::strlen("libcuda.so.");
  const auto folder_length = static_cast<int>(slash - libcuda);
  for (const char* sibling : kSiblings) {
    char path[4096];  // NOLINT(modernize-avoid-c-arrays): the subset.
    const int length = std::snprintf(path, sizeof path, "%.*s/%s.so.%s",
                                     folder_length, libcuda, sibling, version);
    if (length < 0 || length >= static_cast<int>(sizeof path)) continue;
    // libcuda says what it lacks.
    static_cast<void>(::dlopen(path, RTLD_LAZY | RTLD_LOCAL));
  }
}

}  // namespace gpunode::probe
