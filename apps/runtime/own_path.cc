#include "apps/runtime/own_path.h"

#include "base/host/host_root.h"

namespace gpunode::runtime {

std::optional<std::string> own_path() {
  const host::HostRoot host;
  auto path = host.read_link("/proc/self/exe");
  // The kernel appends " (deleted)" when an upgrade replaced the file.
  if (!path || path->ends_with(" (deleted)")) return std::nullopt;
  return *std::move(path);
}

}  // namespace gpunode::runtime
