// Settings as JSON, in the key order of NVIDIA's plugin.
#include <array>
#include <string>
#include <variant>

#include <fmt/format.h>

#include "agent/config/load.h"
#include "agent/config/setting_words.h"
#include "base/text/node.h"

namespace gpunode::config {
namespace {

/// Writes indented JSON. Commas and line ends are put before each value.
class JsonWriter {
 public:
  void open(char bracket) {
    out_ += bracket;
    ++depth_;
    first_ = true;
  }
  void close(char bracket) {
    --depth_;
    if (!first_) new_line();
    out_ += bracket;
    first_ = false;
  }
  /// Starts an item of a list.
  void item() {
    if (!first_) out_ += ',';
    new_line();
    first_ = false;
  }
  void key(std::string_view name) {
    item();
    out_ += text::json_string(name);
    out_ += ": ";
  }
  void raw(std::string_view value) { out_ += value; }
  void text(std::string_view value) { out_ += text::json_string(value); }

  void field(std::string_view name, std::string_view value) {
    key(name);
    text(value);
  }
  // Not an overload: a literal would rather become a bool than a view.
  void flag(std::string_view name, bool value) {
    key(name);
    raw(value ? "true" : "false");
  }

  std::string take() && { return std::move(out_); }

 private:
  void new_line() {
    out_ += '\n';
    out_.append(2 * depth_, ' ');
  }

  std::string out_;
  std::size_t depth_ = 0;
  bool first_ = true;
};

void write_flags(JsonWriter& json, const Settings& settings) {
  json.key("flags");
  json.open('{');
  json.field("migStrategy", word_of(kMigStrategies, settings.mig_strategy));
  json.flag("failOnInitError", settings.fail_on_init_error);
  json.field("mpsRoot", settings.mps_root);
  json.field("nvidiaDriverRoot", settings.driver_root);
  json.field("nvidiaDevRoot", settings.dev_root);
  json.flag("gdrcopyEnabled", settings.gdrcopy_enabled);
  json.flag("gdsEnabled", settings.gds_enabled);
  json.flag("mofedEnabled", settings.mofed_enabled);
  json.key("useNodeFeatureAPI");
  json.raw("null");
  json.field("deviceDiscoveryStrategy",
             word_of(kLabelledDiscoveries, settings.discovery_strategy));
  json.key("plugin");
  json.open('{');
  json.flag("passDeviceSpecs", settings.pass_device_specs);
  json.key("deviceListStrategy");
  json.open('[');
  for (const DeviceListStrategy strategy : settings.device_list_strategies) {
    json.item();
    json.text(word_of(kListStrategies, strategy));
  }
  json.close(']');
  json.field("deviceIDStrategy",
             word_of(kIdStrategies, settings.device_id_strategy));
  json.field("cdiAnnotationPrefix", settings.cdi_annotation_prefix);
  json.field("nvidiaCTKPath", settings.nvidia_cdi_hook_path);
  json.field("containerDriverRoot", settings.driver_root_ctr_path);
  json.field("sharedDevicesAllocationPolicy",
             word_of(kPolicies, settings.allocation_policy));
  json.close('}');
  json.close('}');
}

void write_patterns(JsonWriter& json, std::string_view key,
                    std::span<const ResourcePattern> patterns) {
  json.key(key);
  json.open('[');
  for (const ResourcePattern& each : patterns) {
    json.item();
    json.open('{');
    json.field("pattern", each.pattern);
    json.field("name", each.name);
    json.close('}');
  }
  json.close(']');
}

void write_resources(JsonWriter& json, MigStrategy strategy,
                     std::span<const ResourcePattern> mig_profiles) {
  const std::array<ResourcePattern, 1> all = {{{"*", "nvidia.com/gpu"}}};
  json.key("resources");
  json.open('{');
  write_patterns(json, "gpus", all);
  if (strategy == MigStrategy::kSingle) write_patterns(json, "mig", all);
  if (strategy == MigStrategy::kMixed && !mig_profiles.empty()) {
    write_patterns(json, "mig", mig_profiles);
  }
  json.close('}');
}

void write_devices(JsonWriter& json, const DeviceSelection& devices) {
  json.key("devices");
  if (const auto* count = std::get_if<DeviceCount>(&devices)) {
    json.raw(std::to_string(count->value));
  } else if (const auto* refs = std::get_if<DeviceRefs>(&devices)) {
    json.open('[');
    for (const std::string& ref : refs->values) {
      json.item();
      json.text(ref);
    }
    json.close(']');
  } else {
    json.text("all");
  }
}

void write_replication(JsonWriter& json, std::string_view key,
                       const Replication& replication, bool always_says_fail) {
  json.key(key);
  json.open('{');
  if (replication.rename_by_default) json.flag("renameByDefault", true);
  if (always_says_fail || replication.fail_requests_given) {
    json.flag("failRequestsGreaterThanOne",
              replication.fail_requests_greater_than_one);
  }
  if (replication.limits != HolderLimits::kNone) {
    json.field("limits", word_of(kHolderLimits, replication.limits));
  }
  if (replication.on_unsupported == OnUnsupported::kUnlimited) {
    json.field("onUnsupported", "unlimited");
  }
  if (replication.compute != ComputePolicy::kFair) {
    json.field("compute", word_of(kComputePolicies, replication.compute));
  }
  if (replication.priority != SharePriority::kNone) {
    json.field("priority", word_of(kSharePriorities, replication.priority));
  }
  if (!replication.resources.empty()) {
    json.key("resources");
    json.open('[');
    for (const ReplicatedResource& resource : replication.resources) {
      json.item();
      json.open('{');
      json.field("name", resource.name);
      if (resource.rename != resource.name) {
        json.field("rename", resource.rename);
      }
      write_devices(json, resource.devices);
      json.key("replicas");
      json.raw(std::to_string(resource.replicas));
      json.close('}');
    }
    json.close(']');
  }
  json.close('}');
}

}  // namespace

std::string dump_json(const Settings& settings,
                      std::span<const ResourcePattern> mig_profiles) {
  JsonWriter json;
  json.open('{');
  json.field("version", "v1");
  write_flags(json, settings);
  write_resources(json, settings.mig_strategy, mig_profiles);
  json.key("sharing");
  json.open('{');
  // `timeSlicing` is printed even when there is none, `mps` is not.
  write_replication(json, "timeSlicing",
                    settings.time_slicing.value_or(Replication{}), false);
  if (settings.mps) write_replication(json, "mps", *settings.mps, true);
  if (settings.shares) {
    write_replication(json, "shares", *settings.shares, false);
  }
  json.close('}');
  json.key("imex");
  json.open('{');
  if (!settings.imex_channel_ids.empty()) {
    json.key("channelIDs");
    json.open('[');
    for (const int id : settings.imex_channel_ids) {
      json.item();
      json.raw(std::to_string(id));
    }
    json.close(']');
  }
  if (settings.imex_required) json.flag("required", true);
  json.close('}');
  json.close('}');
  return std::move(json).take();
}

}  // namespace gpunode::config
