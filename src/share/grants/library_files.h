// libgpunode-cuda.so where containers have it mounted from.
#pragma once

#include <string>

#include "base/core/result.h"

namespace gpunode::share {

/// Places on the host.
struct LibraryFiles {
  std::string library;  ///< libgpunode-cuda.so
  /// What the C library's loader reads as /etc/ld.so.preload: kLibraryPlace.
  std::string preload;
};

/// Where a container finds its share: the library, `limits` and `ledger`.
inline constexpr const char* kShareDirectory = "/run/gpunode/share";
inline constexpr const char* kLibraryPlace =
    "/run/gpunode/share/libgpunode-cuda.so";

/// Puts `library` into a directory of its own below `root`, named after its
/// content: what runs under an older one goes on, for no file that is there is
/// ever written to. Two agents at once do the same. `root` is on a disk, not on
/// tmpfs, which some hosts mount noexec.
Result<LibraryFiles> install_library(const std::string& library,
                                     const std::string& root);

}  // namespace gpunode::share
