#include "agent/config/validate.h"

#include <charconv>
#include <chrono>
#include <optional>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "agent/config/setting_words.h"

namespace gpunode::config {
namespace {

// Reads a one-word option into `into`; `complaint` ends where the word goes.
template <class Enum, std::size_t N>
Result<void> read_word(const Chosen& chosen, Option option,
                       const Words<Enum, N>& words, std::string_view complaint,
                       Enum& into) {
  const auto& word = chosen.get<std::string>(option);
  const Enum* found = look_up(words, word);
  if (found == nullptr) {
    return chosen.refuse(option, fmt::format("{}{}", complaint, word));
  }
  into = *found;
  return {};
}

// Check 1 and 2.
Result<void> read_list_strategies(const Chosen& chosen,
                                  const std::function<bool()>& has_nvml,
                                  Settings& settings) {
  constexpr Option kOption = Option::kDeviceListStrategy;
  settings.device_list_strategies.clear();
  for (const auto& word : chosen.get<std::vector<std::string>>(kOption)) {
    const auto* found = look_up(kListStrategies, word);
    if (found == nullptr) {
      const bool joined = word.find(',') != std::string::npos;
      return chosen.refuse(
          kOption,
          fmt::format(
              "invalid --device-list-strategy option: invalid strategy: {}",
              word),
          joined ? "in a file, write several as a list: [envvar, cdi-cri]"
                 : "");
    }
    settings.device_list_strategies.push_back(*found);
  }
  const bool wants_cdi = settings.includes(DeviceListStrategy::kCdiCri) ||
                         settings.includes(DeviceListStrategy::kCdiAnnotations);
  if (wants_cdi && !has_nvml()) {
    return chosen.refuse(kOption,
                         "CDI --device-list-strategy options are only "
                         "supported on NVML-based systems",
                         "libnvidia-ml.so.1 cannot be loaded; install the "
                         "driver, or use envvar");
  }
  return {};
}

// Check 5 and 6. The strategy is compared as written: whether it is a known
// one is checked later.
Result<void> check_mps(const Chosen& chosen, const Settings& settings) {
  if (settings.sharing_strategy() != SharingStrategy::kMps) return {};
  if (chosen.get<std::string>(Option::kMigStrategy) == "mixed") {
    return chosen.refuse(Option::kMigStrategy,
                         "using --mig-strategy=mixed is not supported with MPS",
                         "use none or single, or share by timeSlicing");
  }
  if (settings.mps_root.empty()) {
    return chosen.refuse(Option::kMpsRoot,
                         "using MPS requires --mps-root to be specified",
                         "give a directory on the host, as /run/nvidia/mps");
  }
  return {};
}

// Check 9.
Result<void> read_imex(const Chosen& chosen, Settings& settings) {
  const auto& ids =
      chosen.get<std::vector<std::int64_t>>(Option::kImexChannelIds);
  const bool allowed = ids.empty() || (ids.size() == 1 && ids[0] == 0);
  if (!allowed) {
    return chosen.refuse(
        Option::kImexChannelIds,
        fmt::format("invalid IMEX channel IDs: invalid IMEX config: channelIDs "
                    "must be [] or [0]; found [{}]",
                    fmt::join(ids, " ")),
        "give 0 or nothing");
  }
  settings.imex_channel_ids.assign(ids.size(), 0);
  settings.imex_required = chosen.get<bool>(Option::kImexRequired);
  return {};
}

/// "90s", "5m", "1h": whole numbers, one unit.
std::optional<std::chrono::seconds> parse_period(const std::string& text) {
  std::int64_t count = 0;
  const char* end = text.data() + text.size();
  const auto [unit, error] = std::from_chars(text.data(), end, count);
  // A day is more than anybody means, and no multiplication overflows.
  if (error != std::errc() || end - unit != 1 || count < 0 || count > 86'400) {
    return std::nullopt;
  }
  switch (*unit) {
    case 's':
      return std::chrono::seconds(count);
    case 'm':
      return std::chrono::minutes(count);
    case 'h':
      return std::chrono::hours(count);
    default:
      return std::nullopt;
  }
}

Result<void> read_quiet_period(const Chosen& chosen, Settings& settings) {
  const auto& text = chosen.get<std::string>(Option::kHealthQuietPeriod);
  settings.health_quiet_period = parse_period(text);
  if (settings.health_quiet_period || text == "never") return {};
  return chosen.refuse(
      Option::kHealthQuietPeriod,
      fmt::format("invalid --health-quiet-period option: {}", text),
      "write a number and a unit, as 90s, 5m or 1h, or never");
}

Result<void> read_labelling(const Chosen& chosen, Settings& settings) {
  Labelling& labelling = settings.labelling;
  TRY_VOID(read_word(chosen, Option::kLabels, kLabelTargets,
                     "invalid --labels option: ", labelling.target));
  if (labelling.target == LabelTarget::kFile &&
      chosen.get<bool>(Option::kUseNodeFeatureApi)) {
    labelling.target = LabelTarget::kNodeFeature;
  }
  labelling.space = chosen.get<std::string>(Option::kNamespace);
  labelling.pod = chosen.get<std::string>(Option::kPodName);
  labelling.overwrites = chosen.get<bool>(Option::kOverwriteLabels);
  labelling.has_timestamp = !chosen.get<bool>(Option::kNoTimestamp);
  labelling.output_file = chosen.get<std::string>(Option::kOutputFile);
  labelling.machine_type_file =
      chosen.get<std::string>(Option::kMachineTypeFile);
  settings.kubeconfig = chosen.get<std::string>(Option::kKubeconfig);
  settings.node_name = chosen.get<std::string>(Option::kNodeName);
  const bool is_feature = labelling.target == LabelTarget::kNodeFeature;
  if ((is_feature || labelling.target == LabelTarget::kNode) &&
      settings.node_name.empty()) {
    return chosen.refuse(
        Option::kNodeName,
        fmt::format("--labels={}: required flag node-name not set",
                    word_of(kLabelTargets, labelling.target)),
        "give --node-name, or NODE_NAME from the Pod's spec.nodeName");
  }
  if (is_feature && labelling.space.empty()) {
    return chosen.refuse(
        Option::kNamespace,
        "--labels=nodefeature: required flag namespace not set",
        "give --namespace, or NAMESPACE from the Pod's metadata.namespace");
  }
  if (labelling.target == LabelTarget::kFile && labelling.output_file.empty()) {
    return chosen.refuse(Option::kOutputFile,
                         "--labels=file: required flag output-file not set",
                         "give the path of a feature file");
  }
  return {};
}

Result<void> check_succession(const Chosen& chosen, const Settings& settings) {
  if (!settings.give_back) return {};
  if (settings.take_over) {
    return chosen.refuse(Option::kGiveBack,
                         "--give-back: not together with --take-over",
                         "leave --take-over out to go back");
  }
  if (settings.node_name.empty()) {
    return chosen.refuse(Option::kNodeName,
                         "--give-back: required flag node-name not set",
                         "give --node-name, or NODE_NAME from the Pod's "
                         "spec.nodeName");
  }
  return {};
}

void copy_plain_options(const Chosen& chosen, Settings& settings) {
  const auto text = [&](Option option) {
    return chosen.get<std::string>(option);
  };
  const auto enabled = [&](Option option) { return chosen.get<bool>(option); };
  settings.fail_on_init_error = enabled(Option::kFailOnInitError);
  settings.driver_root = text(Option::kDriverRoot);
  settings.dev_root = text(Option::kDevRoot);
  if (settings.dev_root.empty()) settings.dev_root = settings.driver_root;
  settings.driver_root_ctr_path = text(Option::kDriverRootCtrPath);
  settings.mps_root = text(Option::kMpsRoot);
  settings.gdrcopy_enabled = enabled(Option::kGdrcopyEnabled);
  settings.gds_enabled = enabled(Option::kGdsEnabled);
  settings.mofed_enabled = enabled(Option::kMofedEnabled);
  settings.pass_device_specs = enabled(Option::kPassDeviceSpecs);
  settings.cdi_annotation_prefix = text(Option::kCdiAnnotationPrefix);
  settings.nvidia_cdi_hook_path = text(Option::kNvidiaCdiHookPath);
  settings.cdi_feature_flags =
      chosen.get<std::vector<std::string>>(Option::kCdiFeatureFlags);
  settings.cdi_disable_hooks =
      chosen.get<std::vector<std::string>>(Option::kCdiDisableHooks);
  settings.kubelet_socket = text(Option::kKubeletSocket);
  settings.pod_resources_socket = text(Option::kPodResourcesSocket);
  settings.listen_address = text(Option::kListenAddress);
  settings.nvml_library = text(Option::kNvmlLibrary);
  settings.host_root = text(Option::kHostRoot);
  settings.share_library = text(Option::kShareLibrary);
  // Who may name a GPU in the environment has all of it.
  settings.require_allocation =
      enabled(Option::kRequireAllocation) || settings.limits_holders();
  settings.take_over = enabled(Option::kTakeOver);
  settings.give_back = enabled(Option::kGiveBack);
}

Result<void> read_checked_options(const Chosen& chosen,
                                  const std::function<bool()>& has_nvml,
                                  Settings& settings) {
  TRY_VOID(read_list_strategies(chosen, has_nvml, settings));
  TRY_VOID(read_word(
      chosen, Option::kDeviceIdStrategy, kIdStrategies,
      "invalid --device-id-strategy option: ", settings.device_id_strategy));
  TRY_VOID(read_word(chosen, Option::kSharedDevicesAllocationPolicy, kPolicies,
                     "invalid --shared-devices-allocation-policy option: ",
                     settings.allocation_policy));
  TRY_VOID(check_mps(chosen, settings));
  TRY_VOID(read_word(chosen, Option::kDeviceDiscoveryStrategy, kDiscoveries,
                     "invalid --device-discovery-strategy option ",
                     settings.discovery_strategy));
  TRY_VOID(read_word(chosen, Option::kMigStrategy, kMigStrategies,
                     "unknown MIG strategy: ", settings.mig_strategy));
  TRY_VOID(read_imex(chosen, settings));
  TRY_VOID(read_quiet_period(chosen, settings));
  TRY_VOID(read_labelling(chosen, settings));
  TRY_VOID(check_succession(chosen, settings));
  return read_word(chosen, Option::kLogLevel, kLevels,
                   "invalid --log-level option: ", settings.log_level);
}

}  // namespace

Result<void> apply_options(const Chosen& chosen,
                           const std::function<bool()>& has_nvml,
                           Settings& settings) {
  copy_plain_options(chosen, settings);
  auto checked = read_checked_options(chosen, has_nvml, settings);
  if (checked) return {};
  return Error{checked.error().code(),
               "unable to validate flags: " + checked.error().message()};
}

}  // namespace gpunode::config
