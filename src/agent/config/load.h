// From command line, environment and config file to Settings.
//
// Everything here is a function of its arguments: the file was read by
// read_config_file, the driver library is asked through a callback.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/config/command_line.h"
#include "agent/config/config_source.h"
#include "agent/config/discovery_settings.h"
#include "agent/config/settings.h"
#include "agent/config/warning.h"
#include "base/core/result.h"

namespace gpunode::config {

/// What NVIDIA's plugin says before the reason why a config file was refused.
inline constexpr std::string_view kLoadPrefix =
    "unable to load config: unable to finalize config: unable to parse config "
    "file: ";

struct Loaded {
  Settings settings;
  std::vector<Warning> warnings;  ///< In the order of the file.
};

/// Applies flag > environment > file > default per option and validates in
/// NVIDIA's order with its words; the place in the file and what would be right
/// follow in parentheses. Under --strict any warning is an error. The caller
/// prefixes "error starting plugins: " to the message. `has_nvml` is called at
/// most once, only if a CDI strategy was asked for.
Result<Loaded> load(const CommandLine& command_line,
                    const std::optional<ConfigText>& file,
                    const std::function<bool()>& has_nvml);

struct LoadedDiscovery {
  DiscoverySettings settings;
  std::vector<Warning> warnings;  ///< In the order of the file.
};

/// The same for GPU feature discovery. Messages are whole, and begin with the
/// peer's words.
Result<LoadedDiscovery> load_discovery(const CommandLine& command_line,
                                       const std::optional<ConfigText>& file);

/// Which devices become which resource.
struct ResourcePattern {
  std::string pattern;  ///< Of a product or MIG profile name; "*" is any text.
  std::string name;
};

/// Settings as NVIDIA's plugin prints them after "Running with config:":
/// two-space JSON, no newline at the end. `mig_profiles` are the resources of
/// MigStrategy::kMixed, which depend on the node's GPUs.
std::string dump_json(const Settings& settings,
                      std::span<const ResourcePattern> mig_profiles = {});

}  // namespace gpunode::config
