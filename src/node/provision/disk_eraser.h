// Making a disk that is held hold nothing any more.
#pragma once

#include <cstdint>
#include <string>

#include "base/core/result.h"

namespace gpunode::provision {

/// Every byte zero, as cheaply as the disk can. What says whose the disk was
/// lies at its start and goes last: cut off before, the disk is still known.
/// `fd` is a claimed block device, or a file; `path` is for messages.
Result<void> zero_disk(int fd, std::uint64_t size_bytes,
                       const std::string& path);

/// No signature is found on it any more; other data may stay. For a disk that
/// is to be made anew at once.
Result<void> erase_signatures(int fd, std::uint64_t size_bytes,
                              const std::string& path);

}  // namespace gpunode::provision
