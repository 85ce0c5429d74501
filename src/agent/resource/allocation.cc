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

/// How many of a Device's Replicas are asked for.
struct Part {
  std::size_t device = 0;
  std::uint32_t count = 0;
};

/// In the order of the request.
std::vector<Part> parts_of(const std::vector<Replica>& replicas,
                           std::size_t replica_count) {
  std::vector<Part> parts;
  std::vector<bool> is_counted(replica_count);
  for (const Replica& replica : replicas) {
    if (is_counted[replica.position]) continue;
    is_counted[replica.position] = true;
    const auto known = std::find_if(
        parts.begin(), parts.end(),
        [&](const Part& one) { return one.device == replica.device; });
    if (known != parts.end()) {
      ++known->count;
    } else {
      parts.push_back({replica.device, 1});
    }
  }
  return parts;
}

Error spans_gpus(const Resource& resource, const std::vector<Part>& parts) {
  std::uint32_t asked = 0;
  std::string given;
  for (const Part& part : parts) {
    asked += part.count;
    given += fmt::format("{}{} of {}", given.empty() ? "" : ", ", part.count,
                         resource.devices()[part.device].id.value);
  }
  const std::uint32_t of = resource.devices()[parts.front().device].replicas;
  return refusal(
      resource,
      fmt::format(
          "{0} shares are of one GPU, or of whole ones ({1} each); no GPU of "
          "this node had {0} free ({2}). Ask for fewer, or for a multiple of "
          "{1}, or wait until a GPU has room; the Pod is made again by its "
          "controller, and fits where "
          "the node's label {3}.shares.largest-free is at least {0}",
          asked, of, given, resource.name().value()));
}

bool is_whole(const Resource& resource, const Part& part) {
  return part.count >= resource.devices()[part.device].replicas;
}

bool is_split(const Resource& resource, const std::vector<Part>& parts) {
  return resource.sharing().strategy == config::SharingStrategy::kShares &&
         parts.size() > 1 &&
         !std::all_of(parts.begin(), parts.end(), [&](const Part& part) {
           return is_whole(resource, part);
         });
}

/// Each Device's part, as the strategy has it.
Result<std::vector<HeldLimit>> limits_of(const Resource& resource,
                                         const std::vector<Part>& parts) {
  const auto& devices = resource.devices();
  const bool is_shares =
      resource.sharing().strategy == config::SharingStrategy::kShares;
  if (!resource.is_limiting()) {
    return std::vector<HeldLimit>{};
  }
  if (is_split(resource, parts)) return spans_gpus(resource, parts);
  std::vector<HeldLimit> limits;
  for (const Part& part : parts) {
    const Device& device = devices[part.device];
    if (is_whole(resource, part)) continue;
    const std::uint32_t parts_held = is_shares ? part.count : 1;
    const std::uint64_t bytes =
        share_of_memory(device.memory_bytes, parts_held, device.replicas);
    if (bytes == 0) {
      return refusal(resource,
                     fmt::format("the driver does not say how much memory {} "
                                 "has, so a part of it cannot be given",
                                 device.id.value));
    }
    limits.push_back({part.device, bytes,
                      resource.sharing().is_of_time()
                          ? std::max(1U, 1000 * parts_held / device.replicas)
                          : 0});
  }
  return limits;
}

}  // namespace

std::uint64_t share_of_memory(std::uint64_t memory_bytes, std::uint32_t parts,
                              std::uint32_t of) {
  constexpr std::uint64_t kBlock = 2 << 20;
  // No GPU has so many blocks that this overflows.
  return of == 0 ? 0 : memory_bytes / kBlock * parts / of * kBlock;
}

bool is_split(const Resource& resource, const std::vector<std::string>& ids) {
  const auto replicas = known(resource, ids);
  return replicas &&
         is_split(resource, parts_of(*replicas, resource.replica_count()));
}

bool could_fit(const Resource& resource, std::size_t count) {
  const auto& devices = resource.devices();
  return std::any_of(devices.begin(), devices.end(), [&](const Device& one) {
    if (one.replicas == 0) return false;
    const auto alike = static_cast<std::size_t>(std::count_if(
        devices.begin(), devices.end(),
        [&](const Device& other) { return other.replicas == one.replicas; }));
    return count <= one.replicas ||
           (count % one.replicas == 0 && count / one.replicas <= alike);
  });
}

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
  TRY(allocation.limits,
      limits_of(resource, parts_of(replicas, resource.replica_count())));
  const bool gives_nodes_once =
      resource.sharing().strategy == config::SharingStrategy::kShares;
  std::vector<bool> is_given(resource.replica_count());
  std::vector<bool> is_named(devices.size());
  for (const Replica& replica : replicas) {
    if (is_given[replica.position]) continue;
    is_given[replica.position] = true;
    const Device& device = devices[replica.device];
    if (!gives_nodes_once || !is_named[replica.device]) {
      allocation.nodes.insert(allocation.nodes.end(), device.nodes.begin(),
                              device.nodes.end());
    }
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
