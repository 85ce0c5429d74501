#include "agent/config/option_text.h"

#include <fmt/format.h>

#include "base/core/ascii.h"

namespace gpunode::config {

std::string_view argument_of(const OptionSpec& spec) {
  switch (spec.type) {
    case OptionType::kBool:
      return "";
    case OptionType::kText:
      return "VALUE";
    case OptionType::kTextList:
      return "LIST";
    case OptionType::kIntList:
      return "NUMBERS";
    case OptionType::kDuration:
      return "DURATION";
    case OptionType::kNumber:
    case OptionType::kInteger:
      return "NUMBER";
  }
  return "";
}

std::string facts_of(const OptionSpec& spec) {
  std::vector<std::string> facts;
  if (!spec.values.empty()) {
    facts.push_back(fmt::format("Values: {}.", joined(spec.values, ", ")));
  }
  if (!spec.fallback.empty()) {
    facts.push_back(fmt::format("Default: {}.", spec.fallback));
  }
  if (!spec.environment.empty()) {
    facts.push_back(
        fmt::format("Environment: {}.", joined(spec.environment, ", ")));
  }
  if (!spec.field.empty())
    facts.push_back(fmt::format("File: {}.", spec.field));
  return fmt::format("{}", fmt::join(facts, " "));
}

std::string program_name(std::string_view program) {
  std::string name;
  for (const char c : program.substr(program.rfind('/') + 1)) {
    const bool plain = is_alphanumeric(c) || c == '-' || c == '_';
    if (plain) name += c;
  }
  return name.empty() || name[0] == '-' ? "gpunode-agent" : name;
}

std::vector<const OptionSpec*> options_of(std::span<const OptionSpec> table,
                                          OptionGroup group) {
  std::vector<const OptionSpec*> found;
  for (const OptionSpec& spec : table) {
    if (spec.group == group) found.push_back(&spec);
  }
  return found;
}

std::string joined(std::span<const std::string_view> words,
                   std::string_view between) {
  return fmt::format("{}", fmt::join(words, between));
}

}  // namespace gpunode::config
