// /etc/containerd/config.toml as a node of a cluster needs it, in its versions
// 1 to 4. Pure: a text in, a text out; what nobody asked for stays byte for
// byte.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/text/toml_edit.h"
#include "container/engines/containerd_config.h"
#include "node/provision/runtime_spec.h"

namespace gpunode::provision {

inline constexpr const char* kContainerdConfig = "/etc/containerd/config.toml";
/// Where `gpunode runtime configure` puts its change from containerd 2.1 on.
inline constexpr const char* kContainerdDropIn =
    "/etc/containerd/conf.d/99-nvidia.toml";
inline constexpr const char* kRuntimeProgram = "/usr/bin/gpunode-runtime";

/// What is asked of the file.
struct ContainerdWish {
  bool has_systemd_cgroup = true;
  /// "registry.k8s.io/pause:3.8"; empty: whatever there is.
  std::string sandbox_image = {};
  /// The image was asked for by name: another one is never kept.
  bool is_image_said = false;
  GpuMode gpu_mode = GpuMode::kDefaultRuntime;
};

/// The files as they are.
struct ContainerdTexts {
  std::optional<std::string> config = {};  ///< Nothing: there is no such file.
  /// What an earlier `gpunode runtime configure` wrote to kContainerdDropIn:
  /// what is said of GPUs stays there. Nothing: it goes to the file itself.
  std::optional<std::string> drop_in = {};
  bool has_conf_d = false;  ///< Somebody has files in conf.d.
};

/// The files as they are to be, and what of them is not so yet.
struct ContainerdEdit {
  std::string config;
  std::optional<std::string> drop_in;
  std::vector<std::string> lacks;  ///< "SystemdCgroup is not on".
  std::vector<std::string> notes;  ///< A sentence each.
};

/// Fails as the TOML editor does; kUnavailable if another program keeps the
/// entry of the runtime.
Result<ContainerdEdit> edit_containerd(const ContainerdTexts& texts,
                                       const ContainerdWish& wish);

/// SystemdCgroup of runc, and of every other runtime of runc's kind that the
/// file names. True if that changed anything. A table of runc replaces
/// containerd's own whole, so its type is set there too.
Result<bool> set_systemd_cgroup(text::TomlEditor& editor, bool is_on);

/// Whether the tree of a file has a table of the CRI plugin, of whatever
/// version.
bool has_cri_table(const text::Node& tree);

}  // namespace gpunode::provision
