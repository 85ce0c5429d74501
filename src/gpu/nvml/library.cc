#include "gpu/nvml/library.h"

#include <dlfcn.h>
#include <unistd.h>

#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace gpunode::nvml {
namespace {

constexpr std::string_view kRemedy =
    "install the NVIDIA driver on this host, or mount the driver's root into "
    "this container";

Error load_error(const std::string& path,
                 const std::vector<std::string>& looked_in,
                 const char* linker_text) {
  const bool is_file = path.find('/') != std::string::npos;
  if (is_file && ::access(path.c_str(), F_OK) == 0) {
    return {ErrorCode::kUnsupported,
            fmt::format("ERROR_LIBRARY_NOT_FOUND: {} does not load: {}; use "
                        "the library of this host's driver and architecture",
                        path, linker_text)};
  }
  std::vector<std::string> places = looked_in;
  if (!is_file) places.emplace_back("the default library path");
  return {ErrorCode::kNotFound,
          fmt::format("ERROR_LIBRARY_NOT_FOUND: {} not found{}{}; {}", path,
                      places.empty() ? "" : "; looked in ",
                      fmt::join(places, ", "), kRemedy)};
}

template <class Pointer>
bool look_up(void* handle, const char* name, Pointer& pointer) {
  // dlsym has no type; POSIX guarantees that the pointer converts.
  pointer = reinterpret_cast<Pointer>(::dlsym(handle, name));
  return pointer != nullptr;
}

}  // namespace

void Library::Closer::operator()(void* handle) const {
  ::dlclose(handle);
}

Result<Library> Library::open(const std::string& path,
                              const std::vector<std::string>& looked_in) {
  // NOW: a library that cannot run should fail here, not inside a call. LOCAL:
  // its symbols are for this table alone.
  void* const handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return load_error(path, looked_in, ::dlerror());
  auto loaded = std::make_unique<Loaded>();
  loaded->path = path;
  loaded->handle.reset(handle);

  std::vector<std::string> required;
#define GPUNODE_NVML_LOOK_UP(name) \
  if (!look_up(handle, #name, loaded->api.name)) required.emplace_back(#name);
  GPUNODE_NVML_REQUIRED(GPUNODE_NVML_LOOK_UP)
#undef GPUNODE_NVML_LOOK_UP
  if (!required.empty()) {
    return Error(ErrorCode::kUnsupported,
                 fmt::format("ERROR_FUNCTION_NOT_FOUND: {} lacks {}; install "
                             "NVIDIA driver 418 or later",
                             path, fmt::join(required, ", ")));
  }
#define GPUNODE_NVML_LOOK_UP(name)               \
  if (!look_up(handle, #name, loaded->api.name)) \
    loaded->missing.emplace_back(#name);
  GPUNODE_NVML_OPTIONAL(GPUNODE_NVML_LOOK_UP)
#undef GPUNODE_NVML_LOOK_UP
  return Library(std::move(loaded));
}

}  // namespace gpunode::nvml
