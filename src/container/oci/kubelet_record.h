// What the kubelet has granted to a container, from its own record.
//
// The device manager writes its checkpoint after every Allocate and before the
// container is created (pkg/kubelet/cm/devicemanager, "v2" form since 1.20):
// for each Pod, container and resource the plugin's whole answer. That file is
// root's alone, survives restarts and reboots, and nothing in an image or a
// Pod's spec can write to it (docs/adr/0011).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/core/result.h"

namespace gpunode::oci {

/// What device plugins answered for one container, all its resources together.
struct Grant {
  std::vector<std::pair<std::string, std::string>> envs;
  std::vector<std::string> mount_paths;  ///< In the container.
  std::vector<std::pair<std::string, std::string>> annotations;
  std::vector<std::string> cdi_devices;
  bool is_empty = true;  ///< No resource was allocated.
};

/// The path of the record below the kubelet's root directory.
inline constexpr std::string_view kKubeletRecord =
    "device-plugins/kubelet_internal_checkpoint";

/// Finds the grant of a container in the record's text. An empty one if there
/// is none; kCorrupt if the record cannot be read.
Result<Grant> find_grant(std::string_view record, std::string_view file_name,
                         std::string_view pod_uid,
                         std::string_view container_name);

/// Adds what a ContainerAllocateResponse (v1beta1, in protobuf's wire format)
/// says. kCorrupt if it is none.
Result<void> add_allocate_response(std::string_view bytes, Grant& grant);

}  // namespace gpunode::oci
