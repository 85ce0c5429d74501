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

/// Fills pointers by name and remembers the names that are not there.
class LookUp {
 public:
  explicit LookUp(void* handle) : handle_(handle) {}

  template <class Pointer>
  void operator()(const char* name, Pointer& pointer) {
    // dlsym has no type; POSIX guarantees that the pointer converts.
    pointer = reinterpret_cast<Pointer>(::dlsym(handle_, name));
    if (pointer == nullptr) missing_.emplace_back(name);
  }

  std::vector<std::string> missing() && { return std::move(missing_); }

 private:
  void* handle_;
  std::vector<std::string> missing_;
};

std::vector<std::string> look_up_required(void* handle, Api& api) {
  LookUp look_up(handle);
#define GPUNODE_NVML_LOOK_UP(name) look_up(#name, api.name);
  GPUNODE_NVML_REQUIRED(GPUNODE_NVML_LOOK_UP)
  return std::move(look_up).missing();
}

std::vector<std::string> look_up_optional(void* handle, Api& api) {
  LookUp look_up(handle);
  GPUNODE_NVML_OPTIONAL(GPUNODE_NVML_LOOK_UP)
#undef GPUNODE_NVML_LOOK_UP
  return std::move(look_up).missing();
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
  if (handle == nullptr) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): glibc keeps it for each thread.
    return load_error(path, looked_in, ::dlerror());
  }
  auto loaded = std::make_unique<Loaded>();
  loaded->path = path;
  loaded->handle.reset(handle);

  const std::vector<std::string> lacking =
      look_up_required(handle, loaded->api);
  if (!lacking.empty()) {
    return Error(ErrorCode::kUnsupported,
                 fmt::format("ERROR_FUNCTION_NOT_FOUND: {} lacks {}; install "
                             "NVIDIA driver 418 or later",
                             path, fmt::join(lacking, ", ")));
  }
  loaded->missing = look_up_optional(handle, loaded->api);
  return Library(std::move(loaded));
}

}  // namespace gpunode::nvml
