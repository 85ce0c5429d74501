// What one resource answers to the kubelet.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/plugin/answer_context.h"
#include "agent/resource/allocation.h"
#include "agent/resource/preferred_allocator.h"
#include "agent/resource/resource.h"
#include "gpu/device/topology.h"
#include "k8s/kubelet/handler.h"
#include "share/grants/grant.h"
#include "share/grants/grant_files.h"

namespace gpunode::plugin {

/// What a container that was given `allocation` is held to.
share::Grant grant_of(const resource::Resource& resource,
                      const resource::Allocation& allocation,
                      const std::string& allocation_id);

/// Immutable, so that any number of calls may be in it; a reload makes a new
/// one. No call asks the driver, and none does I/O but for the two files of a
/// share, on tmpfs, which must be there when the container starts.
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
  share::GrantFiles grants_;
  resource::PreferredAllocator allocator_;  // Refers to *resource_.
};

}  // namespace gpunode::plugin
