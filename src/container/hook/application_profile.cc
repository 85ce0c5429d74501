#include "container/hook/application_profile.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <charconv>
#include <cstddef>
#include <string_view>

#include <fmt/format.h>

namespace gpunode::hook {
namespace {

constexpr const char* kPath =
    "/etc/nvidia/nvidia-application-profiles-rc.d/10-container.conf";
constexpr std::size_t kMaxDeviceNames = 65536;
constexpr unsigned kMaxMinor = 63;

/// The number of "nvidia12"; above kMaxMinor if it is none.
unsigned minor_of(std::string_view name) {
  constexpr std::string_view kPrefix = "nvidia";
  if (!name.starts_with(kPrefix)) return kMaxMinor + 1;
  name.remove_prefix(kPrefix.size());
  unsigned minor = 0;
  const auto [end, error] =
      std::from_chars(name.data(), name.data() + name.size(), minor);
  if (error != std::errc() || end != name.data() + name.size()) {
    return kMaxMinor + 1;
  }
  return minor;
}

}  // namespace

std::string application_profile(std::uint64_t minors) {
  return fmt::format(
      R"({{"profiles": [{{"name": "_container_", )"
      R"("settings": ["EGLVisibleDGPUDevices", {:#x}]}}], )"
      R"("rules": [{{"pattern": [], "profile": "_container_"}}]}})",
      minors);
}

Result<std::uint64_t> gpu_minors(const host::RootDirectory& root) {
  TRY(const auto names, root.list_directory("/dev", kMaxDeviceNames));
  std::uint64_t minors = 0;
  for (const std::string& name : names) {
    const unsigned minor = minor_of(name);
    if (minor > kMaxMinor) continue;
    const auto node = root.open_path("/dev/" + name, O_PATH);
    struct stat status {};
    if (node && ::fstat(node->get(), &status) == 0 && S_ISCHR(status.st_mode)) {
      minors |= std::uint64_t{1} << minor;
    }
  }
  return minors;
}

Result<host::Change> write_application_profile(
    const host::RootDirectory& root) {
  const auto minors = gpu_minors(root);
  if (!minors || *minors == 0) return host::Change::kNone;
  return root.replace_file(kPath, application_profile(*minors), 0444);
}

}  // namespace gpunode::hook
