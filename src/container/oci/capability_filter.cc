#include "container/oci/capability_filter.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/host/path.h"
#include "container/cdi/library_search.h"

namespace gpunode::oci {
namespace {

/// Drops each `--link TARGET::PATH`, as NVIDIA's hooks and ours have it, whose
/// path is unwanted: what it leads to is not there.
template <class Predicate>
void drop_links(std::vector<std::string>& args, Predicate is_unwanted) {
  std::vector<std::string> kept;
  for (std::size_t i = 0; i < args.size(); ++i) {
    if (args[i] == "--link" && i + 1 < args.size()) {
      const std::string_view link = args[i + 1];
      const std::size_t middle = link.find("::");
      if (middle != std::string_view::npos &&
          is_unwanted(link.substr(middle + 2))) {
        ++i;
        continue;
      }
    }
    kept.push_back(std::move(args[i]));
  }
  args = std::move(kept);
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
  const auto is_unwanted = [&](std::string_view path) {
    const std::string_view name = host::base_name(path);
    const std::string_view stem = cdi::stem_of(name);
    return name.starts_with("lib") && !stem.empty() &&
           !cdi::capabilities_of_library(stem).intersects(wanted);
  };
  std::erase_if(edits.mounts, [&](const cdi::Mount& mount) {
    return is_unwanted(mount.container_path);
  });
  for (cdi::Hook& hook : edits.hooks) {
    drop_links(hook.args, is_unwanted);
  }
}

}  // namespace gpunode::oci
