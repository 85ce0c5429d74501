// Telling the kubelet that a device plugin listens.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/core/result.h"

namespace gpunode::kubelet {

/// What Register carries. The options sent with it are always
/// {get_preferred_allocation_available: true}, as DevicePluginServer serves.
struct Registration {
  std::string endpoint;       ///< File name of our socket, no directory.
  std::string resource_name;  ///< "nvidia.com/gpu".
  std::string version = "v1beta1";
};

/// Registers with the kubelet that listens on `kubelet_socket`.
///
/// kUnavailable: nobody listens there, or no answer came within `timeout`.
/// kInvalidArgument: the kubelet refuses; the message ends with its own words.
/// Blocks the calling thread, any thread.
Result<void> register_plugin(const std::string& kubelet_socket,
                             const Registration& registration,
                             std::chrono::milliseconds timeout);

/// The same for several resources over one connection and within one timeout;
/// results in the order of `registrations`. One that is refused does not keep
/// the others from registering.
std::vector<Result<void>> register_plugins(
    const std::string& kubelet_socket,
    const std::vector<Registration>& registrations,
    std::chrono::milliseconds timeout);

}  // namespace gpunode::kubelet
