// Where a driver keeps its libraries, under a driver root of any layout.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/host/host_root.h"

namespace gpunode::procfs {

/// What a search found, and what it saw on the way.
struct DriverLibrary {
  /// What to hand to dlopen(3): a file with every link followed inside the
  /// root, or the bare soname where the dynamic linker is to find it.
  std::string path;
  /// Places without such a library, as this process sees them, for a message:
  /// "/driver-root/usr/lib64". Directories that do not exist are left out; a
  /// root without any is named itself, with a word on that.
  std::vector<std::string> looked_in;
};

/// Searches `driver_root` for a library of the driver, "libnvidia-ml.so.1":
/// the library directories of every distribution for both architectures
/// first, then those of containerised and hand-made installs. Links are
/// followed inside the root, so a host mounted there is as good as the host.
/// In the root "/" a library that the dynamic linker reaches is left to it.
DriverLibrary find_driver_library(const host::HostRoot& driver_root,
                                  std::string_view soname);

}  // namespace gpunode::procfs
