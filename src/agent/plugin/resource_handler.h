// What one resource answers to the kubelet.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/config/settings.h"
#include "agent/plugin/edits.h"
#include "agent/plugin/host_devices.h"
#include "agent/resource/preferred_allocator.h"
#include "agent/resource/resource.h"
#include "gpu/device/topology.h"
#include "k8s/kubelet/handler.h"

namespace gpunode::plugin {

/// Settings and what the host has, as of the last reload; shared by handlers.
struct AnswerContext {
  config::Settings settings;
  HostDevices host_devices;
  ControlNodes control_nodes = ControlNodes::kPass;
  /// Why no CDI name may be handed out; empty: nothing speaks against it.
  std::string cdi_problem;
};

/// Immutable, so that any number of calls may be in it; a reload makes a new
/// one. No call does I/O or asks the driver.
class ResourceHandler final : public kubelet::DevicePluginHandler {
 public:
  ResourceHandler(std::shared_ptr<const resource::Resource> resource,
                  const device::Topology& topology,
                  std::shared_ptr<const AnswerContext> context);

  Result<kubelet::ContainerAllocation> allocate(
      const std::vector<std::string>& device_ids) const override;
  Result<std::vector<std::string>> preferred_allocation(
      const kubelet::PreferredAllocationRequest& request) const override;

 private:
  std::shared_ptr<const resource::Resource> resource_;
  std::shared_ptr<const AnswerContext> context_;
  resource::PreferredAllocator allocator_;  // Refers to *resource_.
};

}  // namespace gpunode::plugin
