// Words about one option, shared by the help, the completions and the manual.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "agent/config/options.h"

namespace gpunode::config {

inline constexpr std::array kOptionGroups = {
    OptionGroup::kConfiguration, OptionGroup::kSelection,
    OptionGroup::kDevices,       OptionGroup::kLabels,
    OptionGroup::kContainers,    OptionGroup::kPaths,
    OptionGroup::kService};

/// What may be printed and completed although it is no Option.
struct BuiltinOption {
  std::string_view name;
  std::string_view alias;     ///< Empty: none.
  std::string_view argument;  ///< Empty: a switch.
  std::string_view help;
};
inline constexpr std::array kBuiltinOptions = {
    BuiltinOption{"help", "h", "", "Print this page and exit"},
    BuiltinOption{"version", "v", "", "Print the version and exit"},
    BuiltinOption{"completion", "", "SHELL",
                  "Print completions for bash, zsh or fish and exit"},
    BuiltinOption{"man", "", "", "Print the manual page and exit"}};

/// "VALUE", "LIST" or "NUMBERS"; empty for a switch.
std::string_view argument_of(const OptionSpec& spec);

/// "Values: none, single, mixed. Default: none." and so on; may be empty.
std::string facts_of(const OptionSpec& spec);

/// `program` as a plain file name.
std::string program_name(std::string_view program);

/// The rows of `table` under that heading.
std::vector<const OptionSpec*> options_of(std::span<const OptionSpec> table,
                                          OptionGroup group);

std::string joined(std::span<const std::string_view> words,
                   std::string_view between);

}  // namespace gpunode::config
