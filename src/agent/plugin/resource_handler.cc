#include "agent/plugin/resource_handler.h"

#include <utility>

#include "agent/resource/allocation.h"
#include "agent/resource/allocation_id.h"

namespace gpunode::plugin {

ResourceHandler::ResourceHandler(
    std::shared_ptr<const resource::Resource> resource,
    const device::Topology& topology,
    std::shared_ptr<const AnswerContext> context)
    : resource_(std::move(resource)),
      context_(std::move(context)),
      allocator_(*resource_, topology, context_->settings.allocation_policy) {}

Result<kubelet::ContainerAllocation> ResourceHandler::allocate(
    const std::vector<std::string>& device_ids) const {
  TRY(const resource::Allocation allocation,
      resource::allocate(*resource_, device_ids,
                         context_->settings.device_id_strategy));
  return express(
      *resource_, allocation, context_->settings, context_->host_devices,
      context_->control_nodes,
      resource::allocation_id(resource_->name().value(), device_ids));
}

Result<std::vector<std::string>> ResourceHandler::preferred_allocation(
    const kubelet::PreferredAllocationRequest& request) const {
  return allocator_.prefer(request.available, request.must_include,
                           request.size);
}

}  // namespace gpunode::plugin
