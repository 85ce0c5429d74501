#include "agent/resource/replication.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "agent/resource/replica_id.h"
#include "base/core/ascii.h"

namespace gpunode::resource {
namespace {

using config::ReplicatedResource;
using config::Replication;

std::string name_to_offer(const ReplicatedResource& entry,
                          const Replication& replication) {
  if (!entry.rename.empty()) return entry.rename;
  return replication.rename_by_default ? entry.name + ".shared" : entry.name;
}

bool is_index(std::string_view ref) {
  return !ref.empty() && std::all_of(ref.begin(), ref.end(), [](char c) {
    return is_digit(c) || c == ':';
  });
}

/// Applies the entries of one Replication to one group after another.
class Replicating {
 public:
  Replicating(const Replication& replication, config::SharingStrategy strategy,
              bool custom_sharing, Problems& problems)
      : replication_(replication),
        strategy_(strategy),
        custom_sharing_(custom_sharing),
        problems_(problems) {}

  void add_group(const ResourceName& name, std::vector<Device> devices);
  std::vector<Resource> take();

 private:
  std::optional<std::string> obstacle(const ResourceName& name,
                                      const std::vector<Device>& devices) const;
  std::vector<bool> select(const ReplicatedResource& entry,
                           const std::vector<Device>& devices);
  void offer(const ResourceName& name, Device device, std::uint64_t replicas);
  void leave_out(std::string_view resource, std::string message);

  const Replication& replication_;
  config::SharingStrategy strategy_;
  bool custom_sharing_;
  Problems& problems_;
  DeviceGroups offered_;
};

/// Why a group that is to be shared cannot be.
std::optional<std::string> Replicating::obstacle(
    const ResourceName& name, const std::vector<Device>& devices) const {
  for (const ReplicatedResource& entry : replication_.resources) {
    if (entry.name != name.value()) continue;
    if (strategy_ == config::SharingStrategy::kMps &&
        std::any_of(devices.begin(), devices.end(),
                    [](const Device& one) { return one.is_mig(); })) {
      return "sharing using MPS is not supported for MIG devices";
    }
    if (entry.replicas < 2) return "number of replicas must be >= 2";
    if (entry.replicas > kMaxReplicaCount) {
      return fmt::format(
          "{} replicas of each device are more than the {} ids "
          "that the kubelet takes of a resource",
          entry.replicas, kMaxReplicaCount);
    }
    const auto offered =
        ResourceName::parse(name_to_offer(entry, replication_));
    if (!offered) return offered.error().message();
  }
  return std::nullopt;
}

std::vector<bool> Replicating::select(const ReplicatedResource& entry,
                                      const std::vector<Device>& devices) {
  const bool takes_all =
      !custom_sharing_ ||
      std::holds_alternative<config::AllDevices>(entry.devices);
  std::vector<bool> selected(devices.size(), takes_all);
  if (takes_all) return selected;
  const auto miss = [&](std::string message) {
    problems_.push_back(
        {Problem::Effect::kDeviceLeftOut, entry.name, std::move(message)});
  };
  if (const auto* count = std::get_if<config::DeviceCount>(&entry.devices)) {
    if (count->value > devices.size()) {
      miss(
          fmt::format("requested {} devices to be replicated, but only {} "
                      "devices available",
                      count->value, devices.size()));
    }
    const auto chosen = std::min<std::uint64_t>(count->value, devices.size());
    std::fill_n(selected.begin(), chosen, true);
    return selected;
  }
  for (const std::string& ref :
       std::get<config::DeviceRefs>(entry.devices).values) {
    const bool by_index = is_index(ref);
    const auto found =
        std::find_if(devices.begin(), devices.end(), [&](const Device& one) {
          return ref == (by_index ? one.index_text : one.id.value);
        });
    if (found == devices.end()) {
      miss(fmt::format("no matching device {}: {}",
                       by_index ? "at index" : "with UUID", printable(ref)));
      continue;
    }
    selected[static_cast<std::size_t>(found - devices.begin())] = true;
  }
  return selected;
}

void Replicating::offer(const ResourceName& name, Device device,
                        std::uint64_t replicas) {
  auto& devices = offered_[name];
  const auto same =
      std::find_if(devices.begin(), devices.end(),
                   [&](const Device& one) { return one.id == device.id; });
  const auto count = static_cast<std::uint32_t>(replicas);
  if (same != devices.end()) {
    same->replicas = std::max(same->replicas, count);
    return;
  }
  device.replicas = count;
  devices.push_back(std::move(device));
}

void Replicating::add_group(const ResourceName& name,
                            std::vector<Device> devices) {
  if (auto message = obstacle(name, devices)) {
    leave_out(name.value(), *std::move(message));
    return;
  }
  std::vector<bool> is_shared(devices.size());
  for (const ReplicatedResource& entry : replication_.resources) {
    if (entry.name != name.value()) continue;
    const auto offered =
        ResourceName::parse(name_to_offer(entry, replication_));
    const std::vector<bool> selected = select(entry, devices);
    for (std::size_t i = 0; i < devices.size(); ++i) {
      if (!selected[i] || !offered) continue;
      is_shared[i] = true;
      offer(*offered, devices[i], entry.replicas);
    }
  }
  for (std::size_t i = 0; i < devices.size(); ++i) {
    if (!is_shared[i]) offer(name, std::move(devices[i]), 0);
  }
}

std::vector<Resource> Replicating::take() {
  std::vector<Resource> resources;
  for (auto& [name, devices] : offered_) {
    std::uint64_t count = 0;
    bool is_shared = false;
    for (const Device& device : devices) {
      count += std::max(device.replicas, 1U);
      is_shared = is_shared || device.replicas > 0;
    }
    if (count > kMaxReplicaCount) {
      leave_out(name.value(),
                fmt::format("{} replicas on {} devices are more than the {} "
                            "ids that the kubelet takes of a resource",
                            count, devices.size(), kMaxReplicaCount));
      continue;
    }
    Sharing sharing;
    if (is_shared) {
      sharing = {strategy_,
                 replication_.fail_requests_greater_than_one,
                 replication_.limits,
                 replication_.on_unsupported,
                 replication_.compute,
                 replication_.priority};
    }
    resources.emplace_back(name, std::move(devices), sharing);
  }
  return resources;
}

void Replicating::leave_out(std::string_view resource, std::string message) {
  problems_.push_back({Problem::Effect::kResourceLeftOut, std::string(resource),
                       std::move(message)});
}

}  // namespace

std::vector<Resource> replicate(DeviceGroups groups,
                                const config::Settings& settings,
                                Problems& problems) {
  const Replication unshared;
  const Replication* const active = settings.replication();
  Replicating replicating(active != nullptr ? *active : unshared,
                          settings.sharing_strategy(),
                          settings.honours_selections(), problems);
  for (auto& group : groups) {
    replicating.add_group(group.first, std::move(group.second));
  }
  return replicating.take();
}

}  // namespace gpunode::resource
