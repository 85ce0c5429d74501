// What a container asks of the driver, read from its config.json.
//
// NVIDIA's contract with images: environment variables, mounts of /dev/null
// under /var/run/nvidia-container-devices, and CDI annotations
// (nvidia-container-toolkit 1.20, internal/config/image; cuda documentation
// "environment variables"). Pure: nothing of the host is looked at.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "container/oci/container_config.h"
#include "container/oci/device_list.h"
#include "container/oci/toolkit_config.h"

namespace gpunode::oci {

/// Parts of the driver beyond the GPU itself, each behind its own variable.
enum class Gate { kGds, kMofed, kGdrcopy, kNvswitch };

/// "gds", as the generator of CDI specs names its modes.
std::string_view name_of(Gate gate);

struct ContainerRequest {
  /// Annotations that name CDI devices; only cdi mode honours them.
  DeviceList annotated;
  /// Volume mounts if there are any, else the environment.
  DeviceList devices;
  /// IMEX channels, 0 to 1048575.
  std::vector<std::string> imex_channels;
  std::vector<Gate> gates;
  bool wants_mig_config = false;   ///< NVIDIA_MIG_CONFIG_DEVICES=all
  bool wants_mig_monitor = false;  ///< NVIDIA_MIG_MONITOR_DEVICES=all
  /// NVIDIA_DRIVER_CAPABILITIES after the rules for unset ones; a subset of
  /// the supported ones.
  std::vector<std::string> capabilities;
  /// The container's own choice, not the default.
  bool has_chosen_capabilities = false;
  /// Capabilities asked for that nobody supports.
  std::vector<std::string> unsupported_capabilities;
  /// Expressions of NVIDIA_REQUIRE_*, in the order of the environment.
  std::vector<std::string> requirements;
  /// What a person should know.
  std::vector<std::string> warnings;
};

/// Reads the request under the rules of `rules`. kPermissionDenied if it asks
/// for what only a privileged container may have and is to be told so,
/// kInvalidArgument if a channel is none.
Result<ContainerRequest> read_request(const ContainerConfig& config,
                                      const ToolkitConfig& rules);

}  // namespace gpunode::oci
