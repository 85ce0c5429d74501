#include "agent/plugin/status_document.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "agent/resource/allocation_id.h"
#include "agent/resource/replica_id.h"
#include "base/text/json_splice.h"
#include "base/text/node.h"

namespace gpunode::plugin {
namespace {

using text::json_array;
using text::json_object;
using text::json_string;

std::string number(std::uint64_t value) {
  return std::to_string(value);
}

std::string boolean(bool value) {
  return value ? "true" : "false";
}

std::string seconds(Duration duration) {
  return std::to_string(
      std::chrono::duration_cast<std::chrono::seconds>(duration).count());
}

std::string driver(const AgentView& view) {
  const bool is_stuck = view.observer_stuck > kStuck;
  return json_object(
      {{"version", json_string(view.driver_version)},
       {"answers",
        boolean(view.has_seen_driver && !view.driver_problem && !is_stuck)},
       {"problem", json_string(view.driver_problem.value_or(""))},
       {"stuckSeconds", is_stuck ? seconds(view.observer_stuck) : "0"}});
}

std::string_view word(config::MigStrategy strategy) {
  switch (strategy) {
    case config::MigStrategy::kSingle:
      return "single";
    case config::MigStrategy::kMixed:
      return "mixed";
    case config::MigStrategy::kNone:
      break;
  }
  return "none";
}

std::string configuration(const AgentView& view) {
  std::string origin = view.config_file.empty() ? "default" : "file";
  std::string file = view.config_file;
  std::string name;
  std::string trouble = view.reload_problem;
  if (view.selection) {
    origin = view.selection->chosen_by;
    file.clear();
    name = view.selection->config;
    if (!view.selection->refusal.empty()) {
      trouble = view.selection->refusal;
    } else if (!view.selection->is_decided) {
      trouble = view.selection->waiting;
    }
  }
  return json_object({{"origin", json_string(origin)},
                      {"file", json_string(file)},
                      {"name", json_string(name)},
                      {"migStrategy", json_string(word(view.mig_strategy))},
                      {"warnings", number(view.config_warnings)},
                      {"reloadProblem", json_string(trouble)}});
}

std::string labels(const AgentView& view) {
  return json_object(
      {{"wanted", boolean(view.labels.has_value())},
       {"count", number(view.labels ? view.labels->labels : 0)},
       {"problem", json_string(view.labels ? view.labels->problem : "")}});
}

std::string mig_device(const device::MigDevice& mig) {
  return json_object(
      {{"uuid", json_string(mig.id.value)},
       {"index", number(mig.mig_index)},
       {"profile", json_string(mig.profile)},
       {"memoryBytes", number(mig.attributes.memory_mib << 20)}});
}

std::string gpus(const AgentView& view) {
  std::vector<std::string> items;
  if (view.inventory == nullptr) return json_array(items);
  for (const device::Gpu& gpu : view.inventory->gpus) {
    std::vector<std::string> migs;
    for (const device::MigDevice& mig : gpu.mig_devices) {
      migs.push_back(mig_device(mig));
    }
    items.push_back(json_object({{"uuid", json_string(gpu.id.value)},
                                 {"index", number(gpu.index.value)},
                                 {"name", json_string(gpu.name)},
                                 {"pci", json_string(gpu.pci_bus_id)},
                                 {"memoryBytes", number(gpu.memory_bytes)},
                                 {"migEnabled", boolean(gpu.mig_enabled)},
                                 {"mig", json_array(migs)}}));
  }
  return json_array(items);
}

std::string lost(const AgentView& view) {
  std::vector<std::string> items;
  if (view.inventory == nullptr) return json_array(items);
  for (const device::LostGpu& gpu : view.inventory->lost) {
    items.push_back(
        json_object({{"index", number(gpu.index.value)},
                     {"uuid", json_string(gpu.id ? gpu.id->value : "")},
                     {"reason", json_string(gpu.reason)}}));
  }
  return json_array(items);
}

std::string unhealthy(const AgentView& view) {
  std::vector<std::string> items;
  for (const auto& [id, health] : view.devices) {
    if (health.is_healthy) continue;
    const auto since = view.unhealthy_for.find(id);
    items.push_back(json_object(
        {{"uuid", json_string(id.value)},
         {"reason", json_string(health.reason)},
         {"seconds",
          since == view.unhealthy_for.end() ? "0" : seconds(since->second)}}));
  }
  return json_array(items);
}

bool is_healthy(const AgentView& view, const device::DeviceId& id) {
  return std::none_of(view.devices.begin(), view.devices.end(),
                      [&](const auto& one) {
                        return one.first == id && !one.second.is_healthy;
                      });
}

std::string_view word(config::SharingStrategy strategy) {
  switch (strategy) {
    case config::SharingStrategy::kTimeSlicing:
      return "timeSlicing";
    case config::SharingStrategy::kShares:
      return "shares";
    case config::SharingStrategy::kMps:
      return "mps";
    case config::SharingStrategy::kNone:
      break;
  }
  return "none";
}

/// How many of a resource's ids are in Pods' hands, by Device.
using Held = std::vector<std::uint64_t>;

/// Ids that are no longer offered, as after another configuration, count
/// nowhere.
Held held_of(const resource::Resource& offered, const Holders& holders) {
  Held held(offered.devices().size(), 0);
  // An init container's ids are its Pod's next container's as well.
  std::set<std::string_view> counted;
  for (const Holder& holder : holders.items) {
    if (holder.resource != offered.name().value()) continue;
    for (const std::string& id : holder.ids) {
      const auto replica = offered.find(id);
      if (replica && counted.insert(id).second) ++held[replica->device];
    }
  }
  return held;
}

using Members = std::vector<std::pair<std::string_view, std::string>>;

/// Nothing where nobody could tell.
void add_counts(Members& members, const Holders& holders, std::uint64_t held,
                std::uint64_t free) {
  if (holders.source == Holders::Source::kNone) return;
  members.emplace_back("held", number(held));
  members.emplace_back("free", number(free));
}

/// What the kubelet has of a resource, whose ids come from `offered`; null
/// while there is nothing behind its name.
std::string resource_of(const AgentView& view, const Publisher::Status& status,
                        const resource::Resource* offered,
                        const Holders& holders) {
  const auto blocked = view.blocked.find(status.resource_name);
  // The kubelet counts what is listed; a blocked resource lists nothing.
  const bool is_blocked = blocked != view.blocked.end();
  std::vector<std::string> devices;
  std::uint64_t allocatable = 0;
  std::uint64_t all_held = 0;
  std::uint64_t all_free = 0;
  if (offered != nullptr) {
    const Held held = held_of(*offered, holders);
    for (std::size_t i = 0; i < held.size(); ++i) {
      const resource::Device& device = offered->devices()[i];
      const std::uint64_t usable = is_healthy(view, device.id) && !is_blocked
                                       ? std::max(device.replicas, 1U)
                                       : 0;
      const std::uint64_t free = usable > held[i] ? usable - held[i] : 0;
      allocatable += usable;
      all_held += held[i];
      all_free += free;
      Members members = {{"uuid", json_string(device.id.value)},
                         {"gpu", number(device.gpu.value)},
                         {"replicas", number(device.replicas)}};
      add_counts(members, holders, held[i], free);
      devices.push_back(json_object(members));
    }
  }
  const auto sharing = offered != nullptr ? offered->sharing().strategy
                                          : config::SharingStrategy::kNone;
  const std::uint64_t count =
      offered != nullptr && !is_blocked ? offered->replica_count() : 0;
  Members members = {
      {"name", json_string(status.resource_name)},
      {"registered", boolean(status.is_registered)},
      {"problem", json_string(is_blocked ? blocked->second : status.problem)},
      {"sharing", json_string(word(sharing))},
      {"capacity", number(count)},
      {"allocatable", number(allocatable)}};
  add_counts(members, holders, all_held, all_free);
  members.emplace_back("devices", json_array(devices));
  return json_object(members);
}

std::string resources(const AgentView& view, const Holders& holders) {
  std::vector<std::string> items;
  for (const Publisher::Status& status : view.resources) {
    const auto offered = std::find_if(
        view.offered.begin(), view.offered.end(), [&](const auto& one) {
          return one->name().value() == status.resource_name;
        });
    items.push_back(resource_of(
        view, status, offered == view.offered.end() ? nullptr : offered->get(),
        holders));
  }
  return json_array(items);
}

/// The kubelet tells of every plugin's devices. Ours are those of a resource
/// that is offered, and those of a GPU that is here: a Pod keeps what it was
/// given under the name that another configuration had for it.
class Ours {
 public:
  explicit Ours(const AgentView& view) {
    for (const auto& one : view.resources) names_.insert(one.resource_name);
    if (view.inventory == nullptr) return;
    for (const device::Gpu& gpu : view.inventory->gpus) {
      devices_.insert(gpu.id.value);
      for (const device::MigDevice& mig : gpu.mig_devices) {
        devices_.insert(mig.id.value);
      }
    }
  }

  bool has(const Holder& holder) const {
    if (names_.contains(holder.resource)) return true;
    return std::any_of(
        holder.ids.begin(), holder.ids.end(), [this](const std::string& id) {
          const auto replica = resource::ReplicaId::parse(id);
          return replica && devices_.contains(std::string(replica->device));
        });
  }

 private:
  std::set<std::string> names_;
  std::set<std::string> devices_;
};

std::string_view word(Holders::Source source) {
  switch (source) {
    case Holders::Source::kPodResources:
      return "podResources";
    case Holders::Source::kCheckpoint:
      return "checkpoint";
    case Holders::Source::kNone:
      break;
  }
  return "none";
}

/// Three places.
std::string decimals(Duration duration) {
  return fmt::format("{:.3f}", std::chrono::duration<double>(duration).count());
}

/// What an allocation has had of the time of Devices, where it takes turns.
std::string compute_of(const AgentView& view, const std::string& allocation) {
  std::vector<std::string> items;
  for (const ShareUse& share : view.shares) {
    if (share.allocation_id != allocation) continue;
    for (const share::DeviceHeld& held : share.look.devices) {
      const auto found = share.turns.find(held.uuid);
      if (found == share.turns.end()) continue;
      const share::TurnUse& turns = found->second;
      Members members = {
          {"device", json_string(held.uuid)},
          {"part", number(held.time.thousandths)},
          {"policy", json_string(share::name_of(held.time.policy))},
          {"priority", std::to_string(held.priority.value)},
          {"gpuSeconds", decimals(turns.used)},
          {"throttledSeconds", decimals(turns.waited)},
          {"turns", number(turns.turns)},
          {"launches", number(turns.sums.launches)},
          {"persistent", boolean(turns.is_persistent)}};
      const auto life = view.compute_lives.find({allocation, held.uuid});
      if (life != view.compute_lives.end()) {
        members.emplace_back("observedSeconds", seconds(life->second.seen));
        members.emplace_back("meanPart", number(life->second.mean));
        members.emplace_back("peakPart", number(life->second.peak));
      }
      items.push_back(json_object(members));
    }
  }
  return json_array(items);
}

std::string holder_list(const AgentView& view, const Holders& holders) {
  const Ours ours(view);
  std::vector<std::string> items;
  for (const Holder& one : holders.items) {
    if (!ours.has(one)) continue;
    std::vector<std::string> ids;
    for (const std::string& id : one.ids) ids.push_back(json_string(id));
    const std::string allocation =
        resource::allocation_id(one.resource, one.ids);
    items.push_back(json_object({{"namespace", json_string(one.pod_namespace)},
                                 {"pod", json_string(one.pod)},
                                 {"uid", json_string(one.pod_uid)},
                                 {"container", json_string(one.container)},
                                 {"resource", json_string(one.resource)},
                                 {"ids", json_array(ids)},
                                 {"allocation", json_string(allocation)},
                                 {"compute", compute_of(view, allocation)}}));
  }
  return json_object({{"source", json_string(word(holders.source))},
                      {"problem", json_string(holders.problem)},
                      {"items", json_array(items)}});
}

std::string left_out(const AgentView& view) {
  std::vector<std::string> items;
  for (const resource::Problem& problem : view.problems) {
    items.push_back(json_object({{"resource", json_string(problem.resource)},
                                 {"reason", json_string(problem.message)}}));
  }
  return json_array(items);
}

std::string not_ready(const AgentView& view) {
  std::vector<std::string> items;
  for (const std::string& reason : not_ready_reasons(view)) {
    items.push_back(json_string(reason));
  }
  return json_array(items);
}

}  // namespace

std::string status_document(const AgentView& view, const Holders& holders) {
  return json_object({{"version", "1"},
                      {"driver", driver(view)},
                      {"config", configuration(view)},
                      {"labels", labels(view)},
                      {"gpus", gpus(view)},
                      {"lost", lost(view)},
                      {"unhealthy", unhealthy(view)},
                      {"resources", resources(view, holders)},
                      {"holders", holder_list(view, holders)},
                      {"leftOut", left_out(view)},
                      {"notReady", not_ready(view)}});
}

}  // namespace gpunode::plugin
