// From command line, environment and config file to Settings.
//
// Everything here is a function of its arguments: the file was read by
// read_config_file, the driver library is asked through a callback.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/config/command_line.h"
#include "agent/config/settings.h"
#include "base/core/result.h"
#include "base/text/node.h"

namespace gpunode::config {

/// A config file after reading.
struct ConfigText {
  std::string name;  ///< As given on the command line.
  std::string text;
};

/// Something that NVIDIA's plugin accepts without a word, or ignores.
struct Warning {
  text::Mark mark;         ///< Nowhere: not from the file.
  std::string message;     ///< What was found and what is done with it.
  std::string suggestion;  ///< What to write instead; may be empty.
};

/// "config.yaml:4:5: unknown key 'replica' (did you mean 'replicas'?)"
std::string describe(const Warning& warning, std::string_view file_name);

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

/// The text of `path`, at most 1 MiB (what a ConfigMap can hold). Errors carry
/// the whole prefix, as load()'s do.
Result<ConfigText> read_config_file(const std::string& path);

/// Settings as NVIDIA's plugin prints them after "Running with config:":
/// two-space JSON, no newline at the end.
std::string dump_json(const Settings& settings);

}  // namespace gpunode::config
