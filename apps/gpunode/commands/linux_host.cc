#include "apps/gpunode/commands/linux_host.h"

#include <fmt/format.h>

namespace gpunode::cli {

Result<void> find_linux_host(const host::HostRoot& host) {
  const bool is_there =
      host.exists("/etc/os-release") || host.exists("/usr/lib/os-release");
  if (is_there) return {};
  return Error(ErrorCode::kUnsupported,
               fmt::format("{} is not there: no Linux host at {}; name its "
                           "root with --root",
                           host.outside("/etc/os-release"), host.prefix()));
}

}  // namespace gpunode::cli
