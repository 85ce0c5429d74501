// The command line and the environment, read as NVIDIA's plugin reads them.
//
// The rules are urfave/cli v2's: one dash or two, "--x=false", parsing stops at
// the first word that is no option, an empty environment variable is a value
// for text, false for a switch and nothing for numbers.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/config/options.h"
#include "base/core/result.h"

namespace gpunode::config {

/// A process environment as a value.
using Environment = std::map<std::string, std::string, std::less<>>;

/// Where the value of an option was found.
enum class Source { kDefault, kEnvironment, kCommandLine };

struct OptionValue {
  Value value;
  Source source = Source::kDefault;
  std::string_view variable;  ///< Which one, for Source::kEnvironment.
};

/// What the caller is asked to do.
enum class Action { kRun, kHelp, kVersion, kCompletion, kMan };

/// A parsed command line; every option of the program has a value.
struct CommandLine {
  Program program = Program::kDevicePlugin;
  Action action = Action::kRun;
  std::string shell;  ///< For Action::kCompletion.
  std::array<OptionValue, kOptionCount> options;
  std::vector<std::string> ignored;  ///< Positional arguments.

  const OptionValue& operator[](Option option) const {
    return options[static_cast<std::size_t>(option)];
  }
  bool is_set(Option option) const {
    return (*this)[option].source != Source::kDefault;
  }
  // Each for options of its type only.
  bool enabled(Option option) const;
  const std::string& text(Option option) const;
  const std::vector<std::string>& list(Option option) const;
  const std::vector<std::int64_t>& numbers(Option option) const;
};

/// `arguments` are without the program's name. Fails with kInvalidArgument and
/// the peer's text, to which the nearest option or what would be right is
/// added in parentheses.
Result<CommandLine> parse_command_line(
    std::span<const std::string> arguments, const Environment& environment,
    Program program = Program::kDevicePlugin);

}  // namespace gpunode::config
