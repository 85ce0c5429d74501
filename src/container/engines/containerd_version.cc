#include "container/engines/containerd_version.h"

#include <charconv>

namespace gpunode::engines {

std::optional<ContainerdVersion> parse_containerd_version(
    std::string_view output) {
  // Name, module, version, revision.
  for (int words = 0; words < 2; ++words) {
    const std::size_t space = output.find(' ');
    if (space == output.npos) return std::nullopt;
    output.remove_prefix(space + 1);
  }
  if (output.starts_with('v')) output.remove_prefix(1);
  const char* end = output.data() + output.size();
  ContainerdVersion version;
  const auto major = std::from_chars(output.data(), end, version.major);
  if (major.ec != std::errc{} || major.ptr == end || *major.ptr != '.') {
    return std::nullopt;
  }
  const auto minor = std::from_chars(major.ptr + 1, end, version.minor);
  if (minor.ec != std::errc{}) return std::nullopt;
  return version;
}

}  // namespace gpunode::engines
