#include "apps/gpunode/top/readings.h"

#include <limits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace gpunode::top {
namespace {

using Json = nlohmann::json;

std::optional<std::uint64_t> number_of(const Json& json, const char* name) {
  const auto found = json.find(name);
  if (found == json.end() || !found->is_number_unsigned()) return std::nullopt;
  return found->get<std::uint64_t>();
}

std::string text_of(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_string() ? found->get<std::string>()
                                                   : std::string();
}

bool is_true(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_boolean() && found->get<bool>();
}

/// The words of a result that is not 0; empty: it is, or there is none.
std::string failure_of(const Json& json, const char* name) {
  const auto found = json.find(name);
  if (found == json.end() || !found->is_object()) return {};
  if (number_of(*found, "code") == 0U) return {};
  const std::string words = text_of(*found, "text");
  return words.empty() ? "an error without words" : words;
}

std::string trouble_of(const Json& gpu) {
  if (const std::string words = failure_of(gpu, "problem"); !words.empty()) {
    return words;
  }
  if (is_true(gpu, "remapFailed")) return "memory repair failed";
  if (is_true(gpu, "remapPending") || is_true(gpu, "retiredPending")) {
    return "memory repair waits for a reset";
  }
  return {};
}

GpuReading read_gpu(const Json& json) {
  GpuReading reading;
  GpuRow& gpu = reading.gpu;
  gpu.index = number_of(json, "index").value_or(0);
  gpu.uuid = text_of(json, "uuid");
  gpu.product = text_of(json, "name");
  gpu.memory_bytes = number_of(json, "memoryBytes");
  gpu.used_bytes = number_of(json, "usedBytes");
  gpu.busy_percent = number_of(json, "gpuPercent");
  gpu.celsius = number_of(json, "celsius");
  gpu.milliwatts = number_of(json, "milliwatts");
  gpu.milliwatts_limit = number_of(json, "milliwattsLimit");
  gpu.is_mig = is_true(json, "mig");
  gpu.trouble = trouble_of(json);
  gpu.is_health_known = !gpu.trouble.empty() || json.contains("remapFailed") ||
                        json.contains("remapPending") ||
                        json.contains("retiredPending");
  const auto processes = json.find("processes");
  if (processes == json.end() || !processes->is_array()) return reading;
  for (const Json& one : *processes) {
    if (!one.is_object()) continue;
    const auto pid = number_of(one, "pid");
    if (!pid || *pid > std::numeric_limits<std::uint32_t>::max()) continue;
    reading.processes.push_back({static_cast<std::uint32_t>(*pid),
                                 number_of(one, "bytes"),
                                 number_of(one, "smPercent")});
  }
  return reading;
}

}  // namespace

Result<Readings> parse_readings(std::string_view report) {
  const Json json = Json::parse(report, nullptr, false);
  if (!json.is_object() || !json.contains("start")) {
    return Error(ErrorCode::kCorrupt,
                 "gpunode-probe --use says something else than what GPUs do; "
                 "it is of another version perhaps");
  }
  for (const char* name : {"start", "counted"}) {
    if (const std::string words = failure_of(json, name); !words.empty()) {
      return Error(ErrorCode::kUnavailable,
                   fmt::format("NVML does not answer: {}", words));
    }
  }
  Readings readings;
  readings.driver_version = text_of(json, "driverVersion");
  const auto gpus = json.find("gpus");
  if (gpus == json.end() || !gpus->is_array()) return readings;
  for (const Json& one : *gpus) {
    if (one.is_object()) readings.gpus.push_back(read_gpu(one));
  }
  return readings;
}

}  // namespace gpunode::top
