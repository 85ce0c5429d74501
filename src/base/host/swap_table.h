// What the kernel swaps to: /proc/swaps.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/host/host_root.h"

namespace gpunode::host {

/// One active swap area.
struct Swap {
  std::string path;  ///< "/dev/sda3", "/swapfile"; escapes are resolved.
  std::string kind;  ///< "partition" for any block device, or "file".
  std::uint64_t size_bytes = 0;
  std::uint64_t used_bytes = 0;
  int priority = 0;
  /// The file was removed while in use: its name means nothing any more.
  bool deleted = false;

  friend bool operator==(const Swap&, const Swap&) = default;
};

/// kCorrupt with the number of the line for what /proc/swaps cannot be.
Result<std::vector<Swap>> parse_swap_table(std::string_view text);

/// A kernel without swap has no such file, and no swap.
Result<std::vector<Swap>> read_swap_table(const HostRoot& host);

}  // namespace gpunode::host
