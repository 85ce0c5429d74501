#include "agent/resource/share_room.h"

#include <algorithm>

namespace gpunode::resource {

ShareRoom::ShareRoom(const Resource& resource,
                     const std::vector<std::string>& held,
                     const IsHealthy& is_healthy)
    : resource_(resource), is_held_(resource.replica_count()) {
  for (const Device& device : resource.devices()) {
    free_.push_back(is_healthy(device) ? device.replicas : 0);
  }
  for (const std::string& id : held) {
    const auto replica = resource.find(id);
    if (!replica || is_held_[replica->position]) continue;
    is_held_[replica->position] = true;
    if (free_[replica->device] > 0) --free_[replica->device];
  }
}

std::uint32_t ShareRoom::largest() const {
  return free_.empty() ? 0 : *std::max_element(free_.begin(), free_.end());
}

bool ShareRoom::has(std::uint32_t asked) const {
  if (asked <= largest()) return true;
  std::uint32_t whole = 0;
  std::uint32_t each = 0;
  for (std::size_t at = 0; at < free_.size(); ++at) {
    const std::uint32_t replicas = resource_.devices()[at].replicas;
    if (free_[at] != replicas || replicas == 0) continue;
    if (each == 0) each = replicas;
    if (replicas == each) ++whole;
  }
  return each != 0 && asked % each == 0 && asked / each <= whole;
}

std::vector<std::size_t> ShareRoom::beyond(std::uint32_t asked) const {
  std::vector<std::size_t> positions;
  if (has(asked)) return positions;
  const auto most = static_cast<std::size_t>(
      std::max_element(free_.begin(), free_.end()) - free_.begin());
  for (std::size_t at = 0; at < is_held_.size(); ++at) {
    const std::size_t device = resource_.device_at(at);
    if (device != most && free_[device] > 0 && !is_held_[at]) {
      positions.push_back(at);
    }
  }
  return positions;
}

}  // namespace gpunode::resource
