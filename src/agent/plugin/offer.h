// Offer: what the kubelet should see of one resource at this moment.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/plugin/resource_handler.h"
#include "agent/resource/resource.h"
#include "k8s/kubelet/handler.h"

namespace gpunode::plugin {

struct Offer {
  std::string resource_name;  ///< "nvidia.com/gpu"
  std::string endpoint;       ///< Socket file name, "nvidia-gpu.sock".
  std::shared_ptr<const kubelet::DevicePluginHandler> handler;
  std::vector<kubelet::Device> devices;
};

/// Why a Device may not be handed out, if so.
using IsHealthy = std::function<bool(const resource::Device&)>;

/// The list of a resource: every Replica, in its stable order, each as
/// healthy as its Device.
std::vector<kubelet::Device> list_devices(const resource::Resource& resource,
                                          const IsHealthy& is_healthy);

/// "nvidia-gpu.sock" for "nvidia.com/gpu": NVIDIA's naming, by which others
/// look for it.
std::string endpoint_of(const std::string& resource_name);

/// Names that `settings` would offer on a node with a plain GPU: what is
/// listed, with nothing in it, while no driver has answered yet.
std::vector<std::string> expected_resource_names(
    const config::Settings& settings);

}  // namespace gpunode::plugin
