// gpunode-agent: the device plugin of a node. Called as nvidia-device-plugin it
// is that program; there is no difference but the name in its texts. Called as
// gpu-feature-discovery it labels the node instead, and called as
// config-manager it links the config that the node's label chooses; called as
// gpunode it shows what containers have of the GPUs.
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "agent/config/command_line.h"
#include "agent/config/config_source.h"
#include "agent/config/help.h"
#include "agent/config/load.h"
#include "agent/config/selection_settings.h"
#include "agent/plugin/agent.h"
#include "agent/plugin/platform.h"
#include "apps/agent/config_manager.h"
#include "apps/agent/feature_discovery.h"
#include "apps/agent/process.h"
#include "apps/agent/watching.h"
#include "base/core/error.h"
#include "base/core/log.h"
#include "base/core/unique_fd.h"
#include "version.h"

namespace gpunode {
namespace {

/// A verb of gpunode's in the agent's image (watching.h).
bool is_for_watching(const std::string& word) {
  return word == "shares" || word == "top";
}

std::optional<std::string> find(const config::Environment& environment,
                                const char* name) {
  const auto at = environment.find(name);
  if (at == environment.end()) return std::nullopt;
  return at->second;
}

Result<config::Loaded> load(const config::CommandLine& command_line) {
  std::optional<config::ConfigText> file;
  const std::string& path = command_line.text(config::Option::kConfigFile);
  if (!path.empty()) {
    TRY(file, config::read_config_file(path));
  }
  // CDI is refused only where NVML can never be: a driver that is not there
  // yet is waited for.
  const auto may_have_nvml = [&] {
    return plugin::detect_platform(
               config::DiscoveryStrategy::kAuto,
               host::HostRoot(command_line.text(config::Option::kHostRoot)),
               host::HostRoot(
                   command_line.text(config::Option::kDriverRootCtrPath))) !=
           plugin::Platform::kTegra;
  };
  return config::load(command_line, file, may_have_nvml);
}

int check_config(const config::CommandLine& command_line,
                 const config::Loaded& loaded) {
  const std::string& file = command_line.text(config::Option::kConfigFile);
  for (const config::Warning& warning : loaded.warnings) {
    print(fmt::format("warning: {}\n", describe(warning, file)));
  }
  return print(dump_json(loaded.settings) + "\n");
}

int run(const config::CommandLine& command_line,
        const config::Environment& environment, config::Loaded loaded,
        const UniqueFd& signals) {
  log::set_level(loaded.settings.log_level);
  auto selection = config::selection_settings(command_line);
  if (!selection) return fail(selection.error().message());
  plugin::Agent::Inputs inputs{command_line, std::move(loaded),
                               *std::move(selection),
                               resource::HealthPolicy::from_environment(
                                   find(environment, "DP_DISABLE_HEALTHCHECKS"),
                                   find(environment, "DP_ENABLE_HEALTHCHECKS")),
                               -1};
  for (const std::string& item : inputs.health_policy.meaningless()) {
    log::warning("health", "ignoring {:?} in DP_*_HEALTHCHECKS: not a number",
                 item);
  }
  inputs.signal_fd = signals.get();
  Result<std::unique_ptr<plugin::Agent>> agent =
      plugin::Agent::start(std::move(inputs));
  if (!agent) {
    return fail("error starting plugins: " + agent.error().message());
  }
  if (!(*agent)->run()) {
    // Everything that others see is ended; what is left waits for the driver.
    ::_exit(kDone);
  }
  return kDone;
}

int main_with(const std::vector<std::string>& arguments,
              const std::string& program) {
  const config::Environment environment = read_environment();
  const Result<config::CommandLine> command_line = config::parse_command_line(
      arguments, environment, config::program_called(program));
  if (!command_line) {
    print(config::usage_error_text(command_line.error(), program));
    return fail(command_line.error().message());
  }
  // Words are passed over, as NVIDIA's programs do it. But who means gpunode,
  // in the agent's Pod for one, would start a second agent.
  if (command_line->action == config::Action::kRun &&
      !command_line->ignored.empty() &&
      is_for_watching(command_line->ignored.front())) {
    return fail(fmt::format("{:?} is no option: call it as 'gpunode {}'",
                            command_line->ignored.front(),
                            command_line->ignored.front()));
  }
  switch (command_line->action) {
    case config::Action::kHelp:
      return print(config::help_text(program));
    case config::Action::kVersion:
      return print(fmt::format("{} version {}\n", program, kVersion));
    case config::Action::kMan:
      return print(config::man_page(program, kVersion));
    case config::Action::kCompletion: {
      const Result<std::string> script =
          config::completion_script(command_line->shell, program);
      return script ? print(*script) : fail(script.error().message());
    }
    case config::Action::kRun:
      break;
  }
  // Before anything that takes time: a reload that is asked for meanwhile is
  // then done, not the end of the process.
  const UniqueFd signals = take_signals();
  if (!signals) {
    return fail(Error::from_errno("signalfd", errno).message());
  }
  if (command_line->program == config::Program::kFeatureDiscovery) {
    return run_feature_discovery(*command_line, signals);
  }
  if (command_line->program == config::Program::kConfigManager) {
    return run_config_manager(*command_line, environment, signals);
  }
  Result<config::Loaded> loaded = load(*command_line);
  if (!loaded) {
    return fail("error starting plugins: " + loaded.error().message());
  }
  if (command_line->enabled(config::Option::kConfigCheck)) {
    return check_config(*command_line, *loaded);
  }
  return run(*command_line, environment, *std::move(loaded), signals);
}

}  // namespace
}  // namespace gpunode

int main(int argc, char** argv) {
  const std::string path = argc > 0 ? argv[0] : "gpunode-agent";
  const std::string name = path.substr(path.rfind('/') + 1);
  if (name == "gpunode") return gpunode::run_watching(argc, argv);
  const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0),
                                           argv + argc);
  return gpunode::main_with(arguments, name);
}
