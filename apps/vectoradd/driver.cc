#include "apps/vectoradd/driver.h"

#include <dlfcn.h>

namespace gpunode::vectoradd {

namespace {

template <class Function>
bool resolve(void* library, const char* symbol, Function* function) {
  *function = reinterpret_cast<Function>(::dlsym(library, symbol));
  return *function != nullptr;
}

}  // namespace

const char* load_driver(const char* library, Driver* driver) {
  void* handle = ::dlopen(library, RTLD_NOW | RTLD_LOCAL);
  // NOLINTBEGIN(concurrency-mt-unsafe): this program has one thread.
  if (handle == nullptr) return ::dlerror();
#define GPUNODE_VECTORADD_RESOLVE(member, symbol) \
  if (!resolve(handle, #symbol, &driver->member)) return ::dlerror();
  GPUNODE_VECTORADD_CALLS(GPUNODE_VECTORADD_RESOLVE)
#undef GPUNODE_VECTORADD_RESOLVE
  // NOLINTEND(concurrency-mt-unsafe)
  return nullptr;
}

}  // namespace gpunode::vectoradd
