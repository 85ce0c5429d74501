// Making this process meet the system calls of an older kernel.
//
// Linux gives numbers to system calls in the order in which they are added, so
// everything above the last number of a release answers ENOSYS there, and does
// so here through a seccomp filter. What older kernels lack inside a call that
// they have (flags, files of /proc) is not imitated.
#pragma once

#include <optional>
#include <string_view>

namespace gpunode::old_kernel {

enum class Release {
  kLinux310,  ///< RHEL 7, without what Red Hat brought back into it.
  kLinux418,  ///< RHEL 8.
};

/// "3.10" or "4.18".
std::optional<Release> parse_release(std::string_view text);

/// Filters this process and all that it starts, for good. Returns errno or 0.
int become(Release release);

}  // namespace gpunode::old_kernel
