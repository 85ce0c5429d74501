#include <algorithm>

#include <fmt/format.h>

#include "agent/config/setting_words.h"
#include "agent/config/validate.h"
#include "base/text/go_text.h"

namespace gpunode::config {
namespace {

Result<void> read_strategies(const Chosen& chosen, Settings& node) {
  const auto& discovery =
      chosen.get<std::string>(Option::kDeviceDiscoveryStrategy);
  const DiscoveryStrategy* const found =
      look_up(kLabelledDiscoveries, discovery);
  if (found == nullptr || *found == DiscoveryStrategy::kTegra) {
    return chosen.refuse(
        Option::kDeviceDiscoveryStrategy,
        fmt::format("unable to load config: unable to validate flags: invalid "
                    "--device-discovery-strategy option {}",
                    discovery),
        found != nullptr ? "this version labels what NVML shows or vfio-pci "
                           "holds; give auto, nvml or vfio"
                         : "");
  }
  node.discovery_strategy = *found;
  const auto& mig = chosen.get<std::string>(Option::kMigStrategy);
  const MigStrategy* const strategy = look_up(kMigStrategies, mig);
  if (strategy == nullptr) {
    return chosen.refuse(
        Option::kMigStrategy,
        fmt::format("error creating labeler: error creating resource labeler: "
                    "failed to construct MIG resource labeler: unknown "
                    "strategy: {}",
                    mig));
  }
  node.mig_strategy = *strategy;
  return {};
}

// A pass in less than a second would keep the driver busy for nothing.
void read_interval(const Chosen& chosen, DiscoverySettings& settings) {
  const auto& text = chosen.get<std::string>(Option::kSleepInterval);
  settings.sleep_interval.reset();
  const auto parsed = text::parse_go_duration(text);
  if (!parsed) return;  // "infinite": all others were refused before.
  settings.sleep_interval =
      std::max<std::chrono::nanoseconds>(*parsed, std::chrono::seconds(1));
}

Result<void> read_node_feature(const Chosen& chosen, Settings& node,
                               DiscoverySettings& settings) {
  settings.uses_node_feature_api = chosen.get<bool>(Option::kUseNodeFeatureApi);
  node.kubeconfig = chosen.get<std::string>(Option::kKubeconfig);
  node.node_name = chosen.get<std::string>(Option::kNodeName);
  settings.space = chosen.get<std::string>(Option::kNamespace);
  settings.pod = chosen.get<std::string>(Option::kPodName);
  if (!settings.uses_node_feature_api) return {};
  if (node.node_name.empty()) {
    return chosen.refuse(
        Option::kNodeName,
        "failed to create label outputer: required flag node-name not set",
        "give --node-name, or NODE_NAME from the Pod's spec.nodeName; or "
        "--use-node-feature-api=false, and the labels go to --output-file");
  }
  if (settings.space.empty()) {
    return chosen.refuse(
        Option::kNamespace,
        "failed to create label outputer: required flag namespace not set",
        "give --namespace, or NAMESPACE from the Pod's metadata.namespace");
  }
  return {};
}

}  // namespace

Result<void> apply_discovery_options(const Chosen& chosen, Settings& node,
                                     DiscoverySettings& settings) {
  TRY_VOID(read_strategies(chosen, node));
  const auto text = [&](Option option) {
    return chosen.get<std::string>(option);
  };
  const log::Level* const level = look_up(kLevels, text(Option::kLogLevel));
  if (level == nullptr) {
    return chosen.refuse(Option::kLogLevel, "invalid --log-level option: " +
                                                text(Option::kLogLevel));
  }
  TRY_VOID(read_node_feature(chosen, node, settings));
  node.log_level = *level;
  node.fail_on_init_error = chosen.get<bool>(Option::kFailOnInitError);
  node.driver_root_ctr_path = text(Option::kDriverRootCtrPath);
  node.nvml_library = text(Option::kNvmlLibrary);
  node.host_root = text(Option::kHostRoot);
  settings.oneshot = chosen.get<bool>(Option::kOneshot);
  settings.has_timestamp = !chosen.get<bool>(Option::kNoTimestamp);
  settings.output_file = text(Option::kOutputFile);
  settings.machine_type_file = text(Option::kMachineTypeFile);
  read_interval(chosen, settings);
  return {};
}

}  // namespace gpunode::config
