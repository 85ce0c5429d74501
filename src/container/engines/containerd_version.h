// Which containerd a machine has, as far as its configuration cares.
#pragma once

#include <optional>
#include <string_view>

namespace gpunode::engines {

struct ContainerdVersion {
  unsigned major = 0;
  unsigned minor = 0;

  /// From 2.1 on tables of one plugin from several files are merged.
  bool merges_plugin_tables() const {
    return major > 2 || (major == 2 && minor >= 1);
  }
};

/// Reads what `containerd --version` prints: "containerd
/// github.com/containerd/containerd/v2 v2.1.4 75cb2b7"; nothing if that is not
/// what it is.
std::optional<ContainerdVersion> parse_containerd_version(
    std::string_view output);

}  // namespace gpunode::engines
