#include "node/facts/gpu_health.h"

#include <utility>

#include "base/text/json_reader.h"
#include "gpu/device/pci_address.h"
#include "node/facts/json_members.h"

namespace gpunode::facts {
namespace {

using json::for_each_member;
using json::read;
using json::read_items;
using text::JsonReader;

template <class Value>
Result<bool> read_into(JsonReader& reader, std::optional<Value>& into) {
  Value value{};
  TRY(const bool is_read, read(reader, value));
  into = value;
  return is_read;
}

// Inlined, g++ 12 takes the key for one that may be uninitialized.
[[gnu::noinline]] Result<bool> read_member(JsonReader& reader,
                                           const std::string& key,
                                           NvmlProblem& problem) {
  if (key == "code") return read(reader, problem.code);
  if (key == "text") return read(reader, problem.text);
  return false;
}

Result<bool> read_problem(JsonReader& reader, NvmlProblem& problem) {
  TRY_VOID(for_each_member(reader, [&](const std::string& key) {
    return read_member(reader, key, problem);
  }));
  return true;
}

Result<bool> read_silences(JsonReader& reader,
                           std::vector<NvmlSilence>& silences) {
  return read_items(reader, [&]() -> Result<void> {
    NvmlSilence silence;
    TRY_VOID(for_each_member(reader, [&](const std::string& key) {
      return key == "member" ? read(reader, silence.member)
                             : read_member(reader, key, silence.problem);
    }));
    silences.push_back(std::move(silence));
    return {};
  });
}

Result<bool> read_memory(JsonReader& reader, const std::string& key,
                         GpuHealth& gpu) {
  if (key == "remappedRows") return read_into(reader, gpu.remapped_rows);
  if (key == "remapPending") return read_into(reader, gpu.remap_pending);
  if (key == "remapFailed") return read_into(reader, gpu.remap_failed);
  if (key == "retiredPending") return read_into(reader, gpu.retired_pending);
  if (key == "fabricState") return read_into(reader, gpu.fabric_state);
  if (key == "fabricStatus") return read(reader, gpu.fabric_status);
  if (key == "errors") return read_silences(reader, gpu.silences);
  return false;
}

Result<bool> read_member(JsonReader& reader, const std::string& key,
                         GpuHealth& gpu) {
  if (key == "index") return read(reader, gpu.index);
  if (key == "problem") return read_problem(reader, gpu.problem);
  if (key == "uuid") return read(reader, gpu.uuid);
  if (key == "pciBusId") return read(reader, gpu.bus_id);
  if (key == "persistence") return read_into(reader, gpu.persistence);
  if (key == "ecc") return read_into(reader, gpu.ecc);
  if (key == "eccPending") return read_into(reader, gpu.ecc_pending);
  if (key == "mig") return read_into(reader, gpu.mig);
  if (key == "migPending") return read_into(reader, gpu.mig_pending);
  return read_memory(reader, key, gpu);
}

Result<void> read_gpu(JsonReader& reader, NvmlHealth& health) {
  GpuHealth gpu;
  TRY_VOID(for_each_member(reader, [&](const std::string& key) {
    return read_member(reader, key, gpu);
  }));
  gpu.bus_id = device::sysfs_bus_id(gpu.bus_id);
  health.gpus.push_back(std::move(gpu));
  return {};
}

Result<bool> read_member(JsonReader& reader, const std::string& key,
                         NvmlHealth& health) {
  if (key == "start") return read_problem(reader, health.start);
  if (key == "driverVersion") return read(reader, health.driver_version);
  if (key == "nvmlVersion") return read(reader, health.nvml_version);
  if (key == "counted") return read_problem(reader, health.counted);
  if (key == "count") return read(reader, health.count);
  if (key == "errors") return read_silences(reader, health.silences);
  if (key != "gpus") return false;
  return read_items(reader, [&] { return read_gpu(reader, health); });
}

}  // namespace

Result<NvmlHealth> parse_health_report(std::string_view json) {
  JsonReader reader(json, "gpunode-probe's report");
  NvmlHealth health;
  TRY_VOID(for_each_member(reader, [&](const std::string& key) {
    return read_member(reader, key, health);
  }));
  TRY_VOID(reader.finish());
  return health;
}

}  // namespace gpunode::facts
