#include "share/intercept/driver.h"

#include "share/intercept/loaded_symbol.h"

namespace gpunode::share {
namespace {

std::atomic<bool> is_known = false;
Driver the_driver;

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
  if (is_known.load(std::memory_order_acquire)) return true;
  // Every driver has it. Several threads may fill it at once, all with the
  // same.
  if (find_in_driver("cuMemAlloc_v2") == nullptr) return false;
  fill(&the_driver, find_in_driver);
  is_known.store(true, std::memory_order_release);
  return true;
}

void* replaced(void* real) {
  if (real == nullptr || !is_driver_known()) return real;
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
