#include "agent/resource/resource.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <tuple>
#include <utility>

#include "agent/resource/replica_id.h"

namespace gpunode::resource {
namespace {

std::size_t hash_of(std::string_view uuid) {
  return std::hash<std::string_view>{}(uuid);
}

bool precedes(const Device& a, const Device& b) {
  return std::tie(a.gpu, a.mig_index, a.id) <
         std::tie(b.gpu, b.mig_index, b.id);
}

}  // namespace

Resource::Resource(ResourceName name, std::vector<Device> devices,
                   Sharing sharing)
    : name_(std::move(name)), devices_(std::move(devices)), sharing_(sharing) {
  std::sort(devices_.begin(), devices_.end(), precedes);
  starts_.reserve(devices_.size() + 1);
  starts_.push_back(0);
  std::size_t slots = 4;
  while (slots < 2 * devices_.size()) slots *= 2;
  slots_.resize(slots);
  for (std::size_t i = 0; i < devices_.size(); ++i) {
    const std::size_t offered = std::max(devices_[i].replicas, 1U);
    starts_.push_back(starts_.back() + offered);
    std::size_t slot = hash_of(devices_[i].id.value) & (slots - 1);
    while (slots_[slot] != 0) slot = (slot + 1) & (slots - 1);
    slots_[slot] = static_cast<std::uint32_t>(i + 1);
  }
}

std::size_t Resource::device_at(std::size_t position) const {
  const auto next = std::upper_bound(starts_.begin(), starts_.end(), position);
  return static_cast<std::size_t>(std::distance(starts_.begin(), next)) - 1;
}

std::string Resource::id_at(std::size_t position) const {
  const std::size_t i = device_at(position);
  const Device& device = devices_[i];
  if (device.replicas == 0) return device.id.value;
  const auto number = static_cast<std::uint32_t>(position - starts_[i]);
  return ReplicaId{device.id.value, number}.to_string();
}

std::optional<Replica> Resource::find(std::string_view id) const {
  const auto parsed = ReplicaId::parse(id);
  if (!parsed) return std::nullopt;
  const auto device = find_device(parsed->device);
  if (!device) return std::nullopt;
  const std::uint32_t replicas = devices_[*device].replicas;
  const bool is_offered =
      parsed->number ? *parsed->number < replicas : replicas == 0;
  if (!is_offered) return std::nullopt;
  return Replica{*device, starts_[*device] + parsed->number.value_or(0)};
}

std::optional<std::size_t> Resource::find_device(std::string_view uuid) const {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t slot = hash_of(uuid) & mask; slots_[slot] != 0;
       slot = (slot + 1) & mask) {
    const std::size_t i = slots_[slot] - 1;
    if (devices_[i].id.value == uuid) return i;
  }
  return std::nullopt;
}

}  // namespace gpunode::resource
