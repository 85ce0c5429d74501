#include "agent/plugin/resource_handler.h"

#include <utility>

#include "agent/resource/allocation.h"
#include "agent/resource/allocation_id.h"

namespace gpunode::plugin {

namespace {

share::TurnPolicy policy_of(config::ComputePolicy compute) {
  switch (compute) {
    case config::ComputePolicy::kBurst:
      return share::TurnPolicy::kBurst;
    case config::ComputePolicy::kHard:
      return share::TurnPolicy::kHard;
    case config::ComputePolicy::kFair:
    case config::ComputePolicy::kNone:
      break;
  }
  return share::TurnPolicy::kFair;
}

}  // namespace

share::Grant grant_of(const resource::Resource& resource,
                      const resource::Allocation& allocation,
                      const std::string& allocation_id) {
  share::Grant grant{allocation_id, {}};
  if (resource.sharing().on_unsupported == config::OnUnsupported::kUnlimited) {
    grant.on_unsupported = share::OnUnsupported::kUnlimited;
  }
  for (const resource::HeldLimit& limit : allocation.limits) {
    grant.devices.push_back(
        {resource.devices()[limit.device].id.value, limit.bytes,
         share::TimePart{limit.thousandths,
                         policy_of(resource.sharing().compute)}});
  }
  return grant;
}

ResourceHandler::ResourceHandler(
    std::shared_ptr<const resource::Resource> resource,
    const device::Topology& topology,
    std::shared_ptr<const AnswerContext> context)
    : resource_(std::move(resource)),
      context_(std::move(context)),
      grants_(grant_files(context_->settings)),
      allocator_(*resource_, topology, context_->settings.allocation_policy) {}

Result<kubelet::ContainerAllocation> ResourceHandler::allocate(
    const std::vector<std::string>& device_ids) const {
  const Result<resource::Allocation> allocated = resource::allocate(
      *resource_, device_ids, context_->settings.device_id_strategy);
  if (!allocated) {
    if (context_->split_requests &&
        resource::is_split(*resource_, device_ids) &&
        resource::could_fit(*resource_, device_ids.size())) {
      context_->split_requests->post(
          {resource_->name().value(),
           static_cast<std::uint32_t>(device_ids.size())});
    }
    return allocated.error();
  }
  const resource::Allocation& allocation = *allocated;
  const std::string id =
      resource::allocation_id(resource_->name().value(), device_ids);
  // Before the answer, after which the container may start.
  if (!allocation.limits.empty()) {
    TRY_VOID(grants_.renew(grant_of(*resource_, allocation, id)));
  }
  return express(*resource_, allocation, context_->settings,
                 context_->host_devices, context_->control_nodes, id,
                 context_->share_files);
}

Result<std::vector<std::string>> ResourceHandler::preferred_allocation(
    const kubelet::PreferredAllocationRequest& request) const {
  return allocator_.prefer(request.available, request.must_include,
                           request.size);
}

}  // namespace gpunode::plugin
