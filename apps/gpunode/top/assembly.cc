#include "apps/gpunode/top/assembly.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>

namespace gpunode::top {
namespace {

using diagnose::AgentStatus;

std::string device_of(const std::string& id) {
  return id.substr(0, id.find("::"));
}

class Assembly {
 public:
  explicit Assembly(const Gathered& gathered) : from_(gathered) {}

  Snapshot run() {
    snapshot_.host = from_.host;
    snapshot_.time = from_.time;
    snapshot_.driver_version = from_.readings.driver_version.empty()
                                   ? from_.status.driver_version
                                   : from_.readings.driver_version;
    snapshot_.driver_problem = from_.driver_problem;
    snapshot_.agent_problem = from_.agent_problem;
    snapshot_.share_problem = from_.share_problem;
    snapshot_.awaited = from_.awaited;
    add_gpus();
    name_devices();
    for (const GrantReading& grant : from_.grants) add_grant(grant);
    for (const AgentStatus::Holder& holder : from_.status.holders) {
      if (!is_granted(holder)) add_holder(holder);
    }
    for (const GpuReading& reading : from_.readings.gpus) {
      for (const ProcessReading& process : reading.processes) {
        give(reading.gpu, process);
      }
    }
    return std::move(snapshot_);
  }

 private:
  void add_gpus() {
    for (const GpuReading& reading : from_.readings.gpus) {
      snapshot_.gpus.push_back(reading.gpu);
    }
    // Where nobody reads them they still are.
    for (const AgentStatus::Gpu& gpu : from_.status.gpus) {
      GpuRow& row = row_of(gpu);
      if (row.uuid.empty()) row.uuid = gpu.uuid;
      if (row.product.empty()) row.product = gpu.name;
      if (!row.memory_bytes && gpu.memory_bytes > 0) {
        row.memory_bytes = gpu.memory_bytes;
      }
      row.is_mig = row.is_mig || gpu.mig_enabled;
    }
    for (GpuRow& gpu : snapshot_.gpus) {
      // Of what it does not know the agent knows no health either.
      const bool is_agents = std::any_of(
          from_.status.gpus.begin(), from_.status.gpus.end(),
          [&gpu](const AgentStatus::Gpu& one) { return one.uuid == gpu.uuid; });
      if (from_.agent_problem.empty() && is_agents) gpu.is_health_known = true;
      for (const AgentStatus::Unhealthy& one : from_.status.unhealthy) {
        if (one.uuid == gpu.uuid && !gpu.uuid.empty() && gpu.trouble.empty()) {
          gpu.trouble = one.reason;
          gpu.is_health_known = true;
        }
      }
    }
  }

  /// The one that the driver tells of, be it by its index alone: of a GPU that
  /// is lost it knows no more. Else a new one.
  GpuRow& row_of(const AgentStatus::Gpu& gpu) {
    for (GpuRow& row : snapshot_.gpus) {
      if (!gpu.uuid.empty() && row.uuid == gpu.uuid) return row;
    }
    for (GpuRow& row : snapshot_.gpus) {
      const bool is_nameless = row.uuid.empty() || gpu.uuid.empty();
      if (is_nameless && row.index == gpu.index) return row;
    }
    snapshot_.gpus.emplace_back().index = gpu.index;
    return snapshot_.gpus.back();
  }

  /// What Devices are called, and of how many replicas they are.
  void name_devices() {
    for (const GpuRow& gpu : snapshot_.gpus) {
      if (gpu.uuid.empty()) continue;
      gpus_[gpu.uuid] = {std::to_string(gpu.index), gpu.uuid};
    }
    for (const AgentStatus::Gpu& gpu : from_.status.gpus) {
      for (const AgentStatus::Mig& mig : gpu.mig) {
        gpus_[mig.uuid] = {fmt::format("{}:{}", gpu.index, mig.index),
                           gpu.uuid};
      }
    }
    for (const AgentStatus::Resource& resource : from_.status.resources) {
      for (const AgentStatus::Device& device : resource.devices) {
        replicas_[device.uuid] = device.replicas;
      }
    }
  }

  HolderRow row_of(const std::string& device) const {
    HolderRow row;
    row.device = device;
    const auto known = gpus_.find(device);
    row.gpu = known == gpus_.end() ? "?" : known->second.label;
    return row;
  }

  void name(const AgentStatus::Holder& holder, HolderRow& row) const {
    row.space = holder.pod_namespace;
    row.pod = holder.pod;
    row.container = holder.container;
    row.pod_uid = holder.uid;
    row.resource = holder.resource;
    row.allocation = holder.allocation;
    for (const std::string& id : holder.ids) {
      row.replicas += id != row.device && device_of(id) == row.device ? 1 : 0;
    }
    const auto of = replicas_.find(row.device);
    if (of != replicas_.end() && row.replicas > 0) row.of = of->second;
    // An id that is its Device's alone is all of it.
    if (row.replicas == 0) row.replicas = 1;
  }

  /// The part by the grant, which needs no agent; the rest by the agent.
  static std::optional<TurnsOfHolder> turns_of(
      const share::DeviceHeld& held,
      const std::vector<AgentStatus::Compute>& compute) {
    if (held.time.thousandths == 0) return std::nullopt;
    TurnsOfHolder turns;
    turns.part = held.time.thousandths;
    turns.policy = share::name_of(held.time.policy);
    turns.priority = held.priority.value;
    turns.priority_source = share::name_of(held.priority.source);
    for (const AgentStatus::Compute& one : compute) {
      if (one.device != held.uuid) continue;
      turns.is_counted = true;
      turns.gpu_seconds = one.gpu_seconds;
      turns.throttled_seconds = one.throttled_seconds;
      turns.turns = one.turns;
      turns.launches = one.launches;
      turns.is_persistent = one.is_persistent;
      turns.observed_seconds = one.observed_seconds;
      turns.mean = one.mean_part;
      turns.peak = one.peak_part;
    }
    return turns;
  }

  void add_grant(const GrantReading& grant) {
    const auto holder =
        std::find_if(from_.status.holders.begin(), from_.status.holders.end(),
                     [&grant](const AgentStatus::Holder& one) {
                       return one.allocation == grant.allocation;
                     });
    for (const share::DeviceHeld& held : grant.look.devices) {
      HolderRow row = row_of(held.uuid);
      row.allocation = grant.allocation;
      if (holder != from_.status.holders.end()) name(*holder, row);
      row.is_limited = true;
      row.limit_bytes = held.limit;
      row.used_bytes = sum_of(held.use.total, held.unaccounted);
      row.unaccounted_bytes = held.unaccounted;
      row.by_kind = held.use.held;
      row.peak_bytes = held.use.peak;
      row.refusals = held.use.refusals;
      row.turns = turns_of(held, holder != from_.status.holders.end()
                                     ? holder->compute
                                     : std::vector<AgentStatus::Compute>());
      row.processes = grant.look.slots.size();
      row.pids = grant.pids;
      row.problem = grant.look.problem;
      row.why_unlimited = grant.look.why_unlimited;
      snapshot_.holders.push_back(std::move(row));
    }
    // Of an account that says nothing at all there still is a container.
    if (grant.look.devices.empty()) {
      HolderRow row = row_of("");
      row.allocation = grant.allocation;
      if (holder != from_.status.holders.end()) name(*holder, row);
      row.problem = grant.look.problem;
      snapshot_.holders.push_back(std::move(row));
    }
  }

  bool is_granted(const AgentStatus::Holder& holder) const {
    return std::any_of(from_.grants.begin(), from_.grants.end(),
                       [&holder](const GrantReading& grant) {
                         return !holder.allocation.empty() &&
                                grant.allocation == holder.allocation;
                       });
  }

  void add_holder(const AgentStatus::Holder& holder) {
    std::set<std::string> devices;
    for (const std::string& id : holder.ids) devices.insert(device_of(id));
    for (const std::string& device : devices) {
      HolderRow row = row_of(device);
      name(holder, row);
      snapshot_.holders.push_back(std::move(row));
    }
  }

  bool is_on(const HolderRow& row, const GpuRow& gpu) const {
    const auto known = gpus_.find(row.device);
    return known != gpus_.end() && known->second.gpu == gpu.uuid;
  }

  /// To the holder whose process it is: by its account, else the only one that
  /// its Pod has on this GPU without one.
  void give(const GpuRow& gpu, const ProcessReading& process) {
    const auto known = from_.processes.find(process.pid);
    const ProcessFacts facts =
        known == from_.processes.end() ? ProcessFacts() : known->second;
    HolderRow* owner = nullptr;
    std::size_t of_pod = 0;
    bool is_shared = false;
    for (HolderRow& row : snapshot_.holders) {
      if (!is_on(row, gpu)) continue;
      is_shared = is_shared || row.is_limited;
      // What runs without its limit is in no account.
      if (row.is_limited && row.why_unlimited.empty()) {
        if (std::count(row.pids.begin(), row.pids.end(), process.pid) > 0) {
          return add_sample(process, row);
        }
      } else if (!facts.pod_uid.empty() && row.pod_uid == facts.pod_uid) {
        owner = &row;
        ++of_pod;
      }
    }
    if (of_pod == 1) {
      owner->used_bytes =
          sum_of(owner->used_bytes.value_or(0), process.bytes.value_or(0));
      ++owner->processes;
      owner->pids.push_back(process.pid);
      return add_sample(process, *owner);
    }
    snapshot_.strangers.push_back(
        {process.pid, facts.command, std::to_string(gpu.index), facts.pod_uid,
         process.bytes, process.sm_percent,
         is_shared && of_pod == 0 && !facts.pod_uid.empty()});
  }

  static void add_sample(const ProcessReading& process, HolderRow& row) {
    if (!process.sm_percent) return;
    row.sm_percent = row.sm_percent.value_or(0) + *process.sm_percent;
  }

  /// A Device's name in the table, and the GPU that it is or is part of.
  struct Place {
    std::string label;
    std::string gpu;
  };

  const Gathered& from_;
  Snapshot snapshot_;
  std::map<std::string, Place> gpus_;
  std::map<std::string, std::uint64_t> replicas_;
};

}  // namespace

Snapshot assemble(const Gathered& gathered) {
  Snapshot snapshot = Assembly(gathered).run();
  snapshot.counted = gathered.counted;
  return snapshot;
}

}  // namespace gpunode::top
