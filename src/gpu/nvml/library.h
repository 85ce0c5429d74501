// The NVIDIA Management Library, loaded at run time.
//
// Nothing links libnvidia-ml: on a host without a driver every program still
// starts, and open() says why there is nothing. Tests pass the path of the
// double in tests/doubles/nvml, so what they run is what ships.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "gpu/nvml/api.h"

namespace gpunode::nvml {

/// The name under which every driver installs it.
inline constexpr const char* kSoname = "libnvidia-ml.so.1";

/// A loaded libnvidia-ml, not initialised yet (session.h). Unloaded when
/// destroyed, so that a new driver's library can be opened in its place.
class Library {
 public:
  /// Loads `path`, a file or a bare soname that the dynamic linker finds.
  /// `looked_in` are places already searched in vain, for the message. Fails
  /// with kNotFound if there is no such library, kUnsupported if it does not
  /// load or lacks a call that every usable driver has. Messages begin with
  /// NVML's name for the failure: "ERROR_LIBRARY_NOT_FOUND: …".
  static Result<Library> open(const std::string& path,
                              const std::vector<std::string>& looked_in = {});

  const Api& api() const { return loaded_->api; }
  const std::string& path() const { return loaded_->path; }

  /// Optional calls that this driver lacks, by name.
  const std::vector<std::string>& missing() const { return loaded_->missing; }

 private:
  struct Closer {
    void operator()(void* handle) const;
  };
  struct Loaded {
    std::string path;
    std::unique_ptr<void, Closer> handle;
    Api api;
    std::vector<std::string> missing;
  };

  explicit Library(std::unique_ptr<const Loaded> loaded)
      : loaded_(std::move(loaded)) {}

  std::unique_ptr<const Loaded> loaded_;  // Apart: others point to the Api.
};

}  // namespace gpunode::nvml
