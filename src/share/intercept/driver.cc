#include "share/intercept/driver.h"

#include "share/intercept/loaded_symbol.h"

namespace gpunode::share {
namespace {

Driver the_driver;
LoadedOnce the_library;

void* find_in_driver(const char* name) {
  return find_loaded_symbol("libcuda.so", name);
}

}  // namespace

void fill(Driver* driver, LookUp look_up) {
// NOLINTBEGIN(bugprone-macro-parentheses): `name` is pasted.
#define GPUNODE_FILL(name)                                                   \
  driver->name.store(reinterpret_cast<decltype(&abi::name)>(look_up(#name)), \
                     std::memory_order_relaxed);
  // NOLINTEND(bugprone-macro-parentheses)
  GPUNODE_INTERCEPTED(GPUNODE_FILL)
  GPUNODE_CALLED(GPUNODE_FILL)
#undef GPUNODE_FILL
}

Driver& driver() {
  return the_driver;
}

bool is_driver_known() {
  if (the_library.is_known()) return true;
  const std::uint64_t unloads = unloads_so_far();
  // Every driver has it. Several threads may fill it at once, all with the
  // same.
  if (find_in_driver("cuMemAlloc_v2") == nullptr) return false;
  fill(&the_driver, find_in_driver);
  the_library.know(unloads);
  return true;
}

void* replaced(void* real) {
  if (real == nullptr) return real;
  the_library.forget_if_unloaded();
  if (!is_driver_known()) return real;
// NOLINTBEGIN(bugprone-macro-parentheses): `name` is pasted.
#define GPUNODE_REPLACE(name)                                         \
  if (reinterpret_cast<void*>(                                        \
          the_driver.name.load(std::memory_order_relaxed)) == real) { \
    return reinterpret_cast<void*>(&abi::name);                       \
  }
  // NOLINTEND(bugprone-macro-parentheses)
  GPUNODE_INTERCEPTED(GPUNODE_REPLACE)
#undef GPUNODE_REPLACE
  return real;
}

}  // namespace gpunode::share
