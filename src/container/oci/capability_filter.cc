#include "container/oci/capability_filter.h"

namespace gpunode::oci {
namespace {

/// "libcuda" of "/usr/lib64/libcuda.so.550.163.01"; empty if it is no library.
std::string_view library_stem(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  const std::size_t end = name.find(".so");
  if (!name.starts_with("lib") || end == std::string_view::npos) return {};
  return name.substr(0, end);
}

}  // namespace

cdi::DriverCapabilities capabilities_of(std::span<const std::string> names) {
  cdi::DriverCapabilities capabilities;
  for (const std::string& name : names) {
    if (const auto known = cdi::parse_driver_capability(name)) {
      capabilities.insert(*known);
    }
  }
  return capabilities;
}

void keep_capabilities(cdi::ContainerEdits& edits,
                       cdi::DriverCapabilities wanted) {
  std::erase_if(edits.mounts, [&](const cdi::Mount& mount) {
    const std::string_view stem = library_stem(mount.container_path);
    return !stem.empty() &&
           !cdi::capabilities_of_library(stem).intersects(wanted);
  });
}

}  // namespace gpunode::oci
