// The work that remains to be done inside a container's root, as CDI hooks.
//
// Ours is one process for all of it (`gpunode-runtime hook apply`); under
// NVIDIA's names it is one process for each step, as their tools write it.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "container/cdi/spec.h"

namespace gpunode::cdi {

/// What is to be done. What is empty or false is not.
struct HookWork {
  struct Link {
    std::string target;  ///< The text of the link.
    std::string path;    ///< In the container.
    bool operator==(const Link&) const = default;
  };

  std::vector<Link> links;
  std::vector<std::string> library_folders;  ///< For the ld.so cache.
  std::string host_driver_version;   ///< CUDA forward compatibility with this.
  bool device_node_policy = false;   ///< The driver makes no nodes of its own.
  bool application_profile = false;  ///< EGL sees the container's GPUs only.
  /// Folders that old versions of crun make unreadable; for NVIDIA's hooks.
  std::vector<std::string> chmod_paths;
};

/// The steps by NVIDIA's names, which --disable-hook takes:
/// "create-symlinks", "update-ldcache", "enable-cuda-compat",
/// "disable-device-node-modification", "update-application-profile", "chmod".
bool is_hook_name(std::string_view name);

struct HookOptions {
  /// Its file name tells whose hooks: "nvidia-ctk" and "nvidia-cdi-hook" get
  /// NVIDIA's, any other is taken for gpunode-runtime.
  std::string path = "/usr/bin/gpunode-runtime";
  std::string ldconfig_path;      ///< Of the host; empty: the hook's default.
  std::string host_cuda_version;  ///< Empty: not told.
  std::string cuda_compat_container_root;       ///< Empty: the hook's default.
  std::set<std::string, std::less<>> disabled;  ///< Names, or "all".
  std::set<std::string, std::less<>> enabled;   ///< "chmod" is off otherwise.

  bool runs(std::string_view name) const;
};

/// The hooks for `work`; none if there is nothing to be done.
std::vector<Hook> make_hooks(const HookWork& work, const HookOptions& options);

/// Makes one hook of all `gpunode-runtime hook apply` of the same program:
/// each GPU and the driver bring their own, and every process costs. Other
/// hooks stay where they are.
void merge_apply_hooks(ContainerEdits& edits);

}  // namespace gpunode::cdi
