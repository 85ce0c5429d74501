// How much room a file system has, and whether it may be written at all.
#pragma once

#include <cstdint>
#include <string>

#include "base/core/result.h"
#include "base/host/host_root.h"

namespace gpunode::host {

struct FilesystemSpace {
  std::uint64_t available_bytes = 0;  ///< To programs without privileges.
  std::uint64_t free_inodes = 0;      ///< Nonzero where there is no such limit.
  bool read_only = false;
  std::uint64_t device = 0;  ///< The same of two paths: they share the room.
};

/// Of the file system that has `path`, a directory; by statvfs(3). kNotFound if
/// nothing is there, kUnsupported of a host that is a recording.
Result<FilesystemSpace> read_space(const HostRoot& host,
                                   const std::string& path);

}  // namespace gpunode::host
