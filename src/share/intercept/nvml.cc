#include "share/intercept/nvml.h"

#include "share/intercept/loaded_symbol.h"

namespace gpunode::share {
namespace {

Nvml the_nvml;
LoadedOnce the_library;

void* find_in_nvml(const char* name) {
  return find_loaded_symbol("libnvidia-ml.so", name);
}

void fill() {
// NOLINTBEGIN(bugprone-macro-parentheses): `name` is pasted.
#define GPUNODE_FILL(name, ...)                                 \
  the_nvml.name.store(                                          \
      reinterpret_cast<decltype(&::name)>(find_in_nvml(#name)), \
      std::memory_order_relaxed);
  // NOLINTEND(bugprone-macro-parentheses)
  GPUNODE_PROCESS_LISTS(GPUNODE_FILL)
  GPUNODE_NVML_OTHERS(GPUNODE_FILL)
  GPUNODE_NVML_CALLED(GPUNODE_FILL)
#undef GPUNODE_FILL
}

}  // namespace

Nvml& nvml() {
  return the_nvml;
}

bool is_nvml_known() {
  if (the_library.is_known()) return true;
  const std::uint64_t unloads = unloads_so_far();
  // Every NVML has it. Several threads may fill it at once, all with the same.
  if (find_in_nvml("nvmlDeviceGetUUID") == nullptr) return false;
  fill();
  the_library.know(unloads);
  return true;
}

void* replaced_of_nvml(void* real) {
  if (real == nullptr) return real;
  the_library.forget_if_unloaded();
  if (!is_nvml_known()) return real;
// NOLINTBEGIN(bugprone-macro-parentheses): `name` is pasted.
#define GPUNODE_REPLACE(name, ...)                                  \
  if (reinterpret_cast<void*>(                                      \
          the_nvml.name.load(std::memory_order_relaxed)) == real) { \
    return reinterpret_cast<void*>(&::name);                        \
  }
  // NOLINTEND(bugprone-macro-parentheses)
  GPUNODE_PROCESS_LISTS(GPUNODE_REPLACE)
  GPUNODE_NVML_OTHERS(GPUNODE_REPLACE)
#undef GPUNODE_REPLACE
  return real;
}

}  // namespace gpunode::share
