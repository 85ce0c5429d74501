#include "apps/gpunode/top/document.h"

#include <optional>

#include <nlohmann/json.hpp>

namespace gpunode::top {
namespace {

using Json = nlohmann::ordered_json;

void put(Json& json, const char* name,
         const std::optional<std::uint64_t>& value) {
  if (value) json[name] = *value;
}

void put(Json& json, const char* name, const std::string& value) {
  if (!value.empty()) json[name] = value;
}

Json json_of(const GpuRow& gpu) {
  Json json = {{"index", gpu.index}};
  put(json, "uuid", gpu.uuid);
  put(json, "product", gpu.product);
  put(json, "memoryBytes", gpu.memory_bytes);
  put(json, "usedBytes", gpu.used_bytes);
  put(json, "utilizationPercent", gpu.busy_percent);
  put(json, "celsius", gpu.celsius);
  put(json, "milliwatts", gpu.milliwatts);
  put(json, "milliwattsLimit", gpu.milliwatts_limit);
  json["mig"] = gpu.is_mig;
  if (gpu.is_health_known) json["healthy"] = gpu.trouble.empty();
  put(json, "trouble", gpu.trouble);
  return json;
}

Json json_of(const TurnsOfHolder& turns) {
  Json json = {{"part", turns.part},
               {"policy", turns.policy},
               {"priority", turns.priority},
               {"prioritySource", turns.priority_source}};
  if (!turns.is_counted) return json;
  json["gpuSeconds"] = turns.gpu_seconds;
  json["throttledSeconds"] = turns.throttled_seconds;
  json["turns"] = turns.turns;
  json["launches"] = turns.launches;
  json["persistent"] = turns.is_persistent;
  put(json, "latelyPart", turns.lately);
  put(json, "latelyThrottled", turns.throttled_lately);
  if (turns.observed_seconds > 0) {
    json["observedSeconds"] = turns.observed_seconds;
    json["meanPart"] = turns.mean;
    json["peakPart"] = turns.peak;
  }
  return json;
}

Json json_of(const HolderRow& holder) {
  Json json = {{"gpu", holder.gpu}};
  put(json, "namespace", holder.space);
  put(json, "pod", holder.pod);
  put(json, "podUid", holder.pod_uid);
  put(json, "container", holder.container);
  put(json, "allocation", holder.allocation);
  put(json, "resource", holder.resource);
  put(json, "device", holder.device);
  if (holder.replicas > 0) json["replicas"] = holder.replicas;
  if (holder.of > 0) json["replicasOfGpu"] = holder.of;
  put(json, "usedBytes", holder.used_bytes);
  if (holder.is_limited) {
    json["limitBytes"] = holder.limit_bytes;
    json["peakBytes"] = holder.peak_bytes;
    json["unaccountedBytes"] = holder.unaccounted_bytes;
    Json kinds;
    for (std::size_t i = 0; i < share::kMemoryKinds; ++i) {
      if (!share::is_of_sum(static_cast<share::MemoryKind>(i))) continue;
      kinds[share::name_of(static_cast<share::MemoryKind>(i))] =
          holder.by_kind[i];
    }
    json["usedByKind"] = kinds;
    json["refusals"] = holder.refusals;
  }
  json["processes"] = holder.processes;
  json["pids"] = holder.pids;
  put(json, "smPercent", holder.sm_percent);
  if (holder.turns) json["compute"] = json_of(*holder.turns);
  put(json, "problem", holder.problem);
  put(json, "unlimited", holder.why_unlimited);
  return json;
}

Json json_of(const StrangerRow& one) {
  Json json = {{"pid", one.pid}, {"gpu", one.gpu}};
  put(json, "command", one.command);
  put(json, "podUid", one.pod_uid);
  put(json, "usedBytes", one.used_bytes);
  put(json, "smPercent", one.sm_percent);
  json["bypass"] = one.is_bypass;
  return json;
}

}  // namespace

std::string document(const Snapshot& snapshot, const View& view, bool is_line) {
  Json gpus = Json::array();
  for (const GpuRow& gpu : snapshot.gpus) gpus.push_back(json_of(gpu));
  Json holders = Json::array();
  for (const HolderRow* holder : choose(snapshot, view)) {
    holders.push_back(json_of(*holder));
  }
  Json others = Json::array();
  for (const StrangerRow& one : snapshot.strangers) {
    others.push_back(json_of(one));
  }
  Json json = {
      {"version", 1}, {"host", snapshot.host}, {"time", snapshot.time}};
  put(json, "driverVersion", snapshot.driver_version);
  put(json, "driverProblem", snapshot.driver_problem);
  put(json, "agentProblem", snapshot.agent_problem);
  put(json, "shareProblem", snapshot.share_problem);
  json["gpus"] = std::move(gpus);
  json["holders"] = std::move(holders);
  json["otherProcesses"] = std::move(others);
  // A name may hold bytes that are no UTF-8, or characters that are commands to
  // terminals.
  return json.dump(is_line ? -1 : 2, ' ', true,
                   Json::error_handler_t::replace) +
         "\n";
}

}  // namespace gpunode::top
