// Every option of the device plugin, feature discovery and config-manager: a
// table each, from which the command line, the environment, the help, the
// completions, the man page and the documentation's table all come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace gpunode::config {

/// The options, in the order in which NVIDIA's plugin declares its own (errors
/// in several environment variables are reported in that order); then ours.
enum class Option : std::size_t {
  kMigStrategy,
  kFailOnInitError,
  kDriverRoot,
  kDevRoot,
  kPassDeviceSpecs,
  kDeviceListStrategy,
  kDeviceIdStrategy,
  kGdrcopyEnabled,
  kGdsEnabled,
  kMofedEnabled,
  kKubeletSocket,
  kConfigFile,
  kCdiAnnotationPrefix,
  kNvidiaCdiHookPath,
  kDriverRootCtrPath,
  kMpsRoot,
  kDeviceDiscoveryStrategy,
  kImexChannelIds,
  kImexRequired,
  kCdiFeatureFlags,
  kCdiDisableHooks,
  kSharedDevicesAllocationPolicy,
  // gpunode's own.
  kStrict,
  kEnableCustomSharing,
  kListenAddress,
  kLogLevel,
  kHealthQuietPeriod,
  kNvmlLibrary,
  kHostRoot,
  kPodResourcesSocket,
  kRequireAllocation,
  kShareLibrary,
  kLabels,
  kOverwriteLabels,
  kTakeOver,
  kGiveBack,
  kConfigCheck,
  // Of choosing a configuration by the node's label: NVIDIA's config-manager,
  // which has kKubeconfig and kNodeName too; the last two are ours.
  kConfigFileSrcdir,
  kNodeLabel,
  kDefaultConfig,
  kFallbackStrategies,
  kConfigStateFile,
  kConfigLabelTimeout,
  // Of feature discovery, in the order of NVIDIA's; the device plugin has those
  // that its own labels need.
  kOneshot,
  kNoTimestamp,
  kSleepInterval,
  kOutputFile,
  kMachineTypeFile,
  kUseNodeFeatureApi,
  kKubeconfig,
  kKubeApiQps,
  kKubeApiBurst,
  kNamespace,
  kNodeName,
  kPodName,
  // Of config-manager alone, in the order of NVIDIA's.
  kConfigFileDst,
  kSendSignal,
  kSignal,
  kProcessToSignal,
};

/// The programs that options are of.
enum class Program { kDevicePlugin, kFeatureDiscovery, kConfigManager };

/// By the name it was called by; the device plugin for any but
/// "gpu-feature-discovery" and "config-manager".
Program program_called(std::string_view name);

/// What is written after an option. A duration is Go's or "infinite".
enum class OptionType {
  kBool,
  kText,
  kTextList,
  kIntList,
  kDuration,
  kNumber,
  kInteger
};

/// Headings of the help text, in its order.
enum class OptionGroup {
  kConfiguration,
  kSelection,
  kDevices,
  kLabels,
  kContainers,
  kPaths,
  kService
};

/// The value of an option; the alternatives in the order of OptionType, whose
/// last three are texts that were checked.
using Value = std::variant<bool, std::string, std::vector<std::string>,
                           std::vector<std::int64_t>>;

struct OptionSpec {
  Option option;
  std::span<const std::string_view> names;  ///< The first is the canonical one.
  std::span<const std::string_view> environment;  ///< First present one wins.
  OptionType type;
  std::string_view fallback;  ///< The default, as one would write it.
  std::string_view field;     ///< In the config file; empty: none.
  std::span<const std::string_view> values;  ///< Known ones; empty: any.
  OptionGroup group;
  std::string_view help;  ///< One sentence, no full stop.
  bool ours;              ///< NVIDIA's program does not have it.
};

/// All rows of a program, in the order in which the environment is read.
std::span<const OptionSpec> option_table(
    Program program = Program::kDevicePlugin);

/// The row of `option`, which the program has.
const OptionSpec& spec_of(Option option,
                          Program program = Program::kDevicePlugin);

/// The row that has `name` among its names; nullptr if none has.
const OptionSpec* find_option(std::string_view name,
                              Program program = Program::kDevicePlugin);

/// What the options under this heading are about, in a program that has any.
std::string_view heading_of(OptionGroup group);

inline constexpr std::size_t kOptionCount =
    static_cast<std::size_t>(Option::kProcessToSignal) + 1;

}  // namespace gpunode::config
