// Every option of the programs (options.h). To add one: a line in Option, a row
// in the header of its subject, its place in the order of the programs that
// have it, its use in load.cc.
#include "agent/config/options.h"

#include <algorithm>
#include <array>

#include "agent/config/configuration_options.h"
#include "agent/config/device_options.h"
#include "agent/config/labelling_options.h"
#include "agent/config/option_row.h"
#include "agent/config/service_options.h"

namespace gpunode::config {
namespace {

constexpr std::array<std::span<const Row>, 4> kSubjects = {
    rows::kDeviceOptions, rows::kConfigurationOptions, rows::kLabellingOptions,
    rows::kServiceOptions};

// NVIDIA's in the order in which its program declares them; then ours. The
// device plugin's is that of Option.
constexpr std::array kDiscoveryOrder = {
    Option::kMigStrategy,
    Option::kFailOnInitError,
    Option::kOneshot,
    Option::kNoTimestamp,
    Option::kSleepInterval,
    Option::kOutputFile,
    Option::kMachineTypeFile,
    Option::kConfigFile,
    Option::kUseNodeFeatureApi,
    Option::kDeviceDiscoveryStrategy,
    Option::kDriverRootCtrPath,
    Option::kKubeconfig,
    Option::kKubeApiQps,
    Option::kKubeApiBurst,
    Option::kNamespace,
    Option::kNodeName,
    Option::kPodName,
    Option::kStrict,
    Option::kEnableCustomSharing,
    Option::kLogLevel,
    Option::kNvmlLibrary,
    Option::kHostRoot,
};
constexpr std::array kManagerOrder = {
    Option::kOneshot,       Option::kKubeconfig,         Option::kNodeName,
    Option::kNodeLabel,     Option::kConfigFileSrcdir,   Option::kConfigFileDst,
    Option::kDefaultConfig, Option::kFallbackStrategies, Option::kSendSignal,
    Option::kSignal,        Option::kProcessToSignal,    Option::kLogLevel,
};

constexpr OptionSpec spec_of(const Row& row, const Use& use) {
  return {row.option,
          row.names.span(),
          use.environment.span(),
          row.type,
          row.fallback,
          row.field,
          row.values.span(),
          use.group,
          use.help,
          use.origin == Origin::kOurs};
}

constexpr std::size_t count_options(Programs program) {
  std::size_t count = 0;
  for (const auto& subject : kSubjects) {
    for (const Row& row : subject) {
      for (const Use& use : row.uses.span()) {
        if ((use.programs & program) != 0) ++count;
      }
    }
  }
  return count;
}

/// As the rows happen to stand.
template <Programs kProgram>
constexpr auto unordered_table() {
  std::array<OptionSpec, count_options(kProgram)> table{};
  std::size_t at = 0;
  for (const auto& subject : kSubjects) {
    for (const Row& row : subject) {
      for (const Use& use : row.uses.span()) {
        if ((use.programs & kProgram) != 0) table[at++] = spec_of(row, use);
      }
    }
  }
  return table;
}

constexpr auto plugin_table() {
  auto table = unordered_table<kPlugin>();
  std::ranges::sort(table, {}, &OptionSpec::option);
  return table;
}

template <Programs kProgram, std::size_t N>
constexpr auto ordered_table(const std::array<Option, N>& order) {
  static_assert(count_options(kProgram) == N, "a row without its place");
  const auto rows = unordered_table<kProgram>();
  std::array<OptionSpec, N> table{};
  for (std::size_t i = 0; i < N; ++i) {
    table[i] = *std::ranges::find(rows, order[i], &OptionSpec::option);
  }
  return table;
}

constexpr auto kPluginTable = plugin_table();
constexpr auto kDiscoveryTable = ordered_table<kDiscovery>(kDiscoveryOrder);
constexpr auto kManagerTable = ordered_table<kManager>(kManagerOrder);

/// By value: sorted here.
template <std::size_t N>
constexpr bool has_one_row_each(std::array<OptionSpec, N> table) {
  std::ranges::sort(table, {}, &OptionSpec::option);
  return std::ranges::adjacent_find(table, {}, &OptionSpec::option) ==
         table.end();
}
static_assert(has_one_row_each(kPluginTable), "an option has two rows");
static_assert(has_one_row_each(kDiscoveryTable), "an option has two places");
static_assert(has_one_row_each(kManagerTable), "an option has two places");

}  // namespace

Program program_called(std::string_view name) {
  const std::string_view base = name.substr(name.rfind('/') + 1);
  if (base == "gpu-feature-discovery") return Program::kFeatureDiscovery;
  if (base == "config-manager") return Program::kConfigManager;
  return Program::kDevicePlugin;
}

std::span<const OptionSpec> option_table(Program program) {
  switch (program) {
    case Program::kFeatureDiscovery:
      return kDiscoveryTable;
    case Program::kConfigManager:
      return kManagerTable;
    case Program::kDevicePlugin:
      break;
  }
  return kPluginTable;
}

const OptionSpec& spec_of(Option option, Program program) {
  const auto table = option_table(program);
  return *std::ranges::find(table, option, &OptionSpec::option);
}

const OptionSpec* find_option(std::string_view name, Program program) {
  const auto has_name = [name](const OptionSpec& spec) {
    return std::ranges::find(spec.names, name) != spec.names.end();
  };
  const auto table = option_table(program);
  const auto found = std::ranges::find_if(table, has_name);
  return found == table.end() ? nullptr : &*found;
}

std::string_view heading_of(OptionGroup group) {
  switch (group) {
    case OptionGroup::kConfiguration:
      return "Configuration";
    case OptionGroup::kSelection:
      return "Choice by node label";
    case OptionGroup::kDevices:
      return "Devices";
    case OptionGroup::kLabels:
      return "Labels";
    case OptionGroup::kContainers:
      return "Containers";
    case OptionGroup::kPaths:
      return "Paths";
    case OptionGroup::kService:
      return "Service";
  }
  return "";
}

}  // namespace gpunode::config
