// NVIDIA's config.toml for the container toolkit, all of it, and our table.
//
// Keys and defaults are those of nvidia-container-toolkit 1.20. A missing file
// is the defaults; unknown keys are reported; the first wrong type is an error
// in the peer's words with file, line and column.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace gpunode::oci {

/// [nvidia-container-cli]; its program is not run by us, but `root` counts.
struct ContainerCliConfig {
  std::string root;
  std::string path;
  std::vector<std::string> environment;
  std::string debug;
  std::string ldcache;
  bool load_kmods = true;
  bool no_pivot = false;
  bool no_cgroups = false;
  std::string user;
  std::string ldconfig = "@/sbin/ldconfig";
};

/// [nvidia-container-runtime] and its modes.
struct RuntimeConfig {
  std::string debug = "/dev/null";
  std::string log_level = "info";
  std::vector<std::string> runtimes = {"runc", "crun"};
  std::string mode = "auto";
  std::vector<std::string> cdi_spec_dirs = {"/etc/cdi", "/var/run/cdi"};
  std::string cdi_default_kind = "nvidia.com/gpu";
  std::vector<std::string> cdi_annotation_prefixes = {"cdi.k8s.io/"};
  std::vector<std::string> jit_feature_flags;
  std::vector<std::string> jit_disable_hooks;
  std::string csv_mount_spec_path =
      "/etc/nvidia-container-runtime/host-files-for-container.d";
  std::string csv_compat_container_root;
  std::string legacy_cuda_compat_mode = "ldconfig";
};

/// [features]
struct FeatureConfig {
  bool allow_cuda_compat_libs_from_container = false;
  bool allow_ldconfig_from_container = false;
  bool allow_unknown_oci_spec_fields = false;
  bool disable_cuda_compat_lib_hook = false;
  bool disable_imex_channel_creation = false;
  bool ignore_imex_channel_requests = false;
  bool no_additional_gids_for_device_nodes = false;
};

/// [gpunode], which NVIDIA's programs ignore.
struct GpunodeConfig {
  /// Only what a kubelet's Allocate granted is honoured (docs/adr/0011).
  /// Silent: as the node's device plugin says (require_allocation.h).
  std::optional<bool> require_allocation;
  /// Namespaces whose Pods are exempt: monitoring, which asks for no GPU.
  std::vector<std::string> exempt_namespaces;
  /// Where the kubelet keeps what it granted.
  std::string kubelet_root = "/var/lib/kubelet";
};

struct ToolkitConfig {
  bool disable_require = false;
  std::string swarm_resource;
  bool accept_envvar_when_unprivileged = true;
  bool accept_volume_mounts = false;
  std::string supported_capabilities =
      "compat32,compute,display,graphics,ngx,utility,video";
  ContainerCliConfig cli;
  RuntimeConfig runtime;
  std::string hook_path = "nvidia-container-runtime-hook";
  bool hook_skips_mode_detection = false;
  std::string ctk_path = "nvidia-ctk";
  FeatureConfig features;
  GpunodeConfig gpunode;

  /// What a person should know: unknown keys, with their place.
  std::vector<std::string> warnings;
};

/// Reads the text of a config.toml. `file_name` is for messages. kCorrupt:
/// "error loading config: failed to unmarshal config: (1, 1): Can't convert
/// yes(string) to bool (/etc/…/config.toml:1:1)".
Result<ToolkitConfig> parse_toolkit_config(std::string_view text,
                                           std::string_view file_name);

}  // namespace gpunode::oci
