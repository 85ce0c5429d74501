// Every option of the device plugin: one table, from which the command line,
// the environment, the help, the completions, the man page and the
// documentation's table all come.
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
  kRequireAllocation,
  kConfigCheck,
};

/// What is written after an option.
enum class OptionType { kBool, kText, kTextList, kIntList };

/// Headings of the help text, in its order.
enum class OptionGroup {
  kConfiguration,
  kDevices,
  kContainers,
  kPaths,
  kService
};

/// The value of an option; the alternatives in the order of OptionType.
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
  bool ours;              ///< NVIDIA's plugin does not have it.
};

/// All rows, in the order of Option.
std::span<const OptionSpec> option_table();

const OptionSpec& spec_of(Option option);

/// The row that has `name` among its names; nullptr if none has.
const OptionSpec* find_option(std::string_view name);

std::string_view heading_of(OptionGroup group);

inline constexpr std::size_t kOptionCount =
    static_cast<std::size_t>(Option::kConfigCheck) + 1;

}  // namespace gpunode::config
