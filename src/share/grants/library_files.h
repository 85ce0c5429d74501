// libgpunode-cuda.so where containers have it mounted from.
#pragma once

#include <string>

#include "base/core/result.h"
#include "base/host/host_root.h"

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

/// Where the host has them: on a disk, for some hosts mount /run noexec.
inline constexpr const char* kLibraryRoot = "/var/lib/gpunode/lib";

/// Puts `library`, a file of this process, below kLibraryRoot of `host`, into a
/// directory that is named after its content: what runs under an older one goes
/// on, for no file that is there is ever written to. Two agents at once do the
/// same. What is returned are paths of the host.
Result<LibraryFiles> install_library(const std::string& library,
                                     const host::HostRoot& host);

}  // namespace gpunode::share
