#include "agent/config/chosen.h"

#include <fmt/format.h>

namespace gpunode::config {
namespace {

std::string known_values(const OptionSpec& spec) {
  std::string text = "give ";
  const auto values = spec.values;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) text += i + 1 == values.size() ? " or " : ", ";
    text += values[i];
  }
  return text;
}

}  // namespace

std::string Chosen::origin(Option option) const {
  if (is_from_file(option)) return text::at(file_name_, file_[option]->mark);
  const OptionValue& given = command_line_[option];
  switch (given.source) {
    case Source::kCommandLine:
      return fmt::format("--{}", spec(option).names[0]);
    case Source::kEnvironment:
      return std::string(given.variable);
    case Source::kDefault:
      break;
  }
  return fmt::format("--{} by default", spec(option).names[0]);
}

Error Chosen::refuse(Option option, std::string_view message,
                     std::string_view advice) const {
  return {ErrorCode::kInvalidArgument,
          fmt::format("{} ({}: {})", message, origin(option),
                      advice.empty() ? known_values(spec(option))
                                     : std::string(advice))};
}

}  // namespace gpunode::config
