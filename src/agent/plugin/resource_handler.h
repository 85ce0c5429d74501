// What one resource answers to the kubelet.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/plugin/answer_context.h"
#include "agent/resource/preferred_allocator.h"
#include "agent/resource/resource.h"
#include "gpu/device/topology.h"
#include "k8s/kubelet/handler.h"

namespace gpunode::plugin {

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
