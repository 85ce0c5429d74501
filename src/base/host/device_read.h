// Reading a device at a place, all or nothing.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/core/result.h"

namespace gpunode::host {

/// Fills `into`; less than `size` is an Error, which says where.
inline Result<void> read_device(int fd, std::uint64_t offset, char* into,
                                std::size_t size) {
  const auto attempt = [&] { return "read at byte " + std::to_string(offset); };
  while (size > 0) {
    const ssize_t n = ::pread(fd, into, size, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::from_errno(attempt(), errno);
    if (n == 0) {
      return Error(ErrorCode::kUnavailable, attempt() + ": the device ends");
    }
    into += n;
    size -= static_cast<std::size_t>(n);
    offset += static_cast<std::uint64_t>(n);
  }
  return {};
}

}  // namespace gpunode::host
