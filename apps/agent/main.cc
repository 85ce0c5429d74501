// gpunode-agent: the device plugin of a node. Called as nvidia-device-plugin it
// is that program; there is no difference but the name in its texts.
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <malloc.h>

#include "agent/config/command_line.h"
#include "agent/config/config_source.h"
#include "agent/config/help.h"
#include "agent/config/load.h"
#include "agent/plugin/agent.h"
#include "agent/plugin/platform.h"
#include "base/core/error.h"
#include "base/core/log.h"
#include "base/core/unique_fd.h"
#include "version.h"

namespace gpunode {
namespace {

constexpr int kDone = 0;
constexpr int kFailed = 1;  // The peer's only code for every error.

config::Environment read_environment() {
  config::Environment environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const std::size_t equals = text.find('=');
    if (equals != std::string::npos) {
      environment.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
  }
  return environment;
}

std::optional<std::string> find(const config::Environment& environment,
                                const char* name) {
  const auto at = environment.find(name);
  if (at == environment.end()) return std::nullopt;
  return at->second;
}

/// Blocks the signals that the agent takes from a descriptor, in this thread
/// and so in every thread made later.
UniqueFd take_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGHUP, SIGINT, SIGTERM, SIGQUIT}) {
    sigaddset(&set, number);
  }
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  // A log reader or a scraper that goes away is no reason to die.
  ::signal(SIGPIPE, SIG_IGN);
  return UniqueFd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

int fail(const std::string& message) {
  log::error("agent", "{}", message);
  return kFailed;
}

/// A full disk or a reader that left is a failure: what was asked for did not
/// arrive.
int print(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() ||
      std::fflush(stdout) != 0) {
    return fail("write standard output: " + errno_text(errno));
  }
  return kDone;
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
  plugin::Agent::Inputs inputs{command_line, std::move(loaded),
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
  const Result<config::CommandLine> command_line =
      config::parse_command_line(arguments, environment);
  if (!command_line) {
    print(config::usage_error_text(command_line.error(), program));
    return fail(command_line.error().message());
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
  const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0),
                                           argv + argc);
  return gpunode::main_with(arguments, path.substr(path.rfind('/') + 1));
}
