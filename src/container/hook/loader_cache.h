// The file in which glibc's loader looks libraries up: /etc/ld.so.cache.
//
// The format is "glibc-ld.so.cache1.1", which ldconfig writes by default since
// glibc 2.32 and every loader since 2.2 reads; facts from elf/cache.c and
// sysdeps/generic/dl-cache.h of glibc and from files that ldconfig wrote.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gpunode::hook {

/// Where one library is. Passive data.
struct CacheEntry {
  std::int32_t flags = 0;  ///< host::SharedObject::cache_flags
  std::string name;        ///< What a program asks for, "libcuda.so.1".
  std::string path;        ///< In the container.
  /// The name of its directory below glibc-hwcaps; empty for an ordinary
  /// library. Loaders before 2.33 do not see entries that have one.
  std::string hwcaps;
  unsigned isa_level = 0;  ///< Only counts with `hwcaps`.
};

/// The file's bytes. Of entries that a loader cannot tell apart the earlier
/// one is found. Depends on nothing but `entries`.
std::string encode_loader_cache(std::vector<CacheEntry> entries);

}  // namespace gpunode::hook
