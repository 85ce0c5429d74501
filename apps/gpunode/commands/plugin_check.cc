#include "apps/gpunode/commands/plugin_check.h"

#include <utility>

#include <fmt/format.h>

#include "agent/config/command_line.h"
#include "agent/config/load.h"
#include "agent/config/warning.h"

namespace gpunode::cli {
namespace {

// A line of it is one of what is printed, not of the GPUNode file: drop-ins are
// merged into that, and it may be written in any style.
constexpr const char* kName = "spec.devicePlugin.config";

}  // namespace

std::vector<std::string> plugin_config_problems(const std::string& config) {
  if (config.empty()) return {};
  std::vector<std::string> problems;
  const auto command_line =
      config::parse_command_line({}, config::Environment());
  if (!command_line) return {command_line.error().message()};
  // Whether this host has NVML says nothing of the one that it is for.
  const auto loaded = config::load(
      *command_line, config::ConfigText{kName, config}, [] { return true; });
  if (!loaded) {
    problems.push_back(fmt::format("{}: {}", kName, loaded.error().message()));
    return problems;
  }
  for (const config::Warning& warning : loaded->warnings) {
    problems.push_back(config::describe(warning, kName));
  }
  return problems;
}

}  // namespace gpunode::cli
