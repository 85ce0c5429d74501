#include "agent/resource/allocation.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "agent/resource/replica_id.h"

namespace gpunode::resource {
namespace {

Error refusal(const Resource& resource, std::string_view why) {
  return {
      ErrorCode::kInvalidArgument,
      fmt::format("invalid allocation request for \"{}\": invalid request: {}",
                  resource.name().value(), why)};
}

/// Every id's Replica, in order, repeated ids included.
Result<std::vector<Replica>> known(const Resource& resource,
                                   const std::vector<std::string>& ids) {
  std::vector<Replica> found;
  found.reserve(ids.size());
  for (const std::string& id : ids) {
    const auto replica = resource.find(id);
    if (!replica) {
      return refusal(resource,
                     fmt::format("unknown device: {}", printable(id)));
    }
    found.push_back(*replica);
  }
  return found;
}

}  // namespace

Result<Allocation> allocate(const Resource& resource,
                            const std::vector<std::string>& ids,
                            config::DeviceIdStrategy id_strategy) {
  TRY(const std::vector<Replica> replicas, known(resource, ids));
  const auto& devices = resource.devices();
  if (resource.sharing().fail_requests_greater_than_one && ids.size() > 1 &&
      std::any_of(replicas.begin(), replicas.end(), [&](const Replica& one) {
        return devices[one.device].replicas > 0;
      })) {
    return refusal(resource,
                   fmt::format("maximum request size for shared resources is "
                               "1; found {}",
                               ids.size()));
  }
  Allocation allocation;
  std::vector<bool> is_given(resource.replica_count());
  std::vector<bool> is_named(devices.size());
  for (const Replica& replica : replicas) {
    if (is_given[replica.position]) continue;
    is_given[replica.position] = true;
    const Device& device = devices[replica.device];
    allocation.nodes.insert(allocation.nodes.end(), device.nodes.begin(),
                            device.nodes.end());
    if (is_named[replica.device]) continue;
    is_named[replica.device] = true;
    allocation.devices.push_back(replica.device);
    allocation.names.push_back(id_strategy == config::DeviceIdStrategy::kUuid
                                   ? device.id.value
                                   : device.index_text);
  }
  return allocation;
}

}  // namespace gpunode::resource
