#include "agent/config/selection_settings.h"

#include <string_view>

#include <fmt/format.h>

#include "base/text/go_text.h"

namespace gpunode::config {
namespace {

Result<void> require(const CommandLine& command_line, Option option,
                     std::string_view advice) {
  if (!command_line.text(option).empty()) return {};
  return Error(
      ErrorCode::kInvalidArgument,
      fmt::format("invalid <{}>: must not be empty string ({})",
                  spec_of(option, command_line.program).names[0], advice));
}

Result<std::optional<std::chrono::nanoseconds>> label_timeout(
    const CommandLine& command_line) {
  using Timeout = std::optional<std::chrono::nanoseconds>;
  const std::string& text = command_line.text(Option::kConfigLabelTimeout);
  if (text == "infinite") return Timeout();
  const auto parsed = text::parse_go_duration(text);
  if (parsed && parsed->count() >= 0) return Timeout(*parsed);
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("invalid --config-label-timeout option: {} (write "
                           "a number and a unit, as 30s or 5m, or infinite)",
                           text));
}

}  // namespace

Result<std::optional<SelectionSettings>> selection_settings(
    const CommandLine& command_line) {
  const std::string& directory = command_line.text(Option::kConfigFileSrcdir);
  if (directory.empty()) return std::optional<SelectionSettings>();
  TRY_VOID(require(command_line, Option::kNodeName,
                   "give --node-name or NODE_NAME, a Pod's spec.nodeName"));
  TRY_VOID(require(command_line, Option::kNodeLabel,
                   fmt::format("as {}", kConfigLabel)));
  if (!command_line.text(Option::kConfigFile).empty()) {
    return Error(ErrorCode::kInvalidArgument,
                 "--config-file and --config-file-srcdir are both given: the "
                 "one is a file, the other a directory to choose one from");
  }
  TRY(const auto timeout, label_timeout(command_line));
  return std::optional(
      SelectionSettings{directory,
                        command_line.text(Option::kNodeName),
                        command_line.text(Option::kNodeLabel),
                        {command_line.text(Option::kDefaultConfig),
                         command_line.list(Option::kFallbackStrategies)},
                        command_line.text(Option::kKubeconfig),
                        command_line.text(Option::kConfigStateFile),
                        timeout});
}

}  // namespace gpunode::config
