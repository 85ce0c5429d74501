// gpunode: the command. Called as nvidia-ctk it is that program
// (apps/gpunode/peer/nvidia_ctk.h).
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include "apps/gpunode/commands/commands.h"
#include "apps/gpunode/error_sink.h"
#include "apps/gpunode/peer/nvidia_ctk.h"
#include "apps/gpunode/session.h"
#include "apps/gpunode/usage_error.h"
#include "node/provision/run_json.h"

namespace gpunode::cli {
namespace {

std::optional<std::string> environment_variable(std::string_view name) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): read before any thread exists.
  const char* value = std::getenv(std::string(name).c_str());
  if (value == nullptr) return std::nullopt;
  return value;
}

/// Where a verb is to answer in JSON it does so when it fails, too.
bool asks_for_json(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--json") return true;
    if (word == "--") return false;
  }
  return false;
}

void tell_in_json(std::string_view message, ExitCode code) {
  (void)print(provision::error_line(message, static_cast<int>(code)));
}

int main_with(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  host::SystemCommandRunner runner;
  Session session{runner, environment_variable};

  if (argc > 0 && is_nvidia_ctk(argv[0])) {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    return run_nvidia_ctk(arguments, session);
  }

  const bool is_json = asks_for_json(argc, argv);
  if (is_json) {
    set_error_sink([](const Error& error, ExitCode code) {
      tell_in_json(error.message(), code);
    });
  }

  CLI::App app("A Linux host with NVIDIA GPUs becomes a Kubernetes GPU node.",
               "gpunode");
  app.require_subcommand(1);
  add_init(app, session);
  add_validate(app, session);
  add_plan(app, session);
  add_apply(app, session);
  add_resume(app, session);
  add_rollback(app, session);
  add_leave(app, session);
  add_bring(app, session);
  add_bundle(app, session);
  add_check(app, session);
  add_cdi(app, session);
  add_deliver(app, session);
  add_device_plugin(app, session);
  add_distributions(app, session);
  add_facts(app, session);
  add_doctor(app, session);
  add_verify(app, session);
  add_status(app, session);
  add_shares(app, session);
  add_top(app, session);
  add_support_bundle(app, session);
  add_rollout(app, session);
  add_runtime(app, session);
  add_documentation(app, session);
  add_version(app, session);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    std::ostringstream help;
    if (app.exit(problem, help, help) == 0) {
      const auto printed = print(help.str());
      if (!printed) session.fail(printed.error());
      return static_cast<int>(session.outcome);
    }
    const std::string complaint = usage_error(app, problem);
    std::fputs(harmless(complaint).c_str(), stderr);
    std::fputs("\nRun with --help for more information.\n", stderr);
    if (is_json) tell_in_json(complaint, ExitCode::kUsage);
    return static_cast<int>(ExitCode::kUsage);
  }
  return static_cast<int>(session.outcome);
}

}  // namespace
}  // namespace gpunode::cli

int main(int argc, char** argv) try {
  return gpunode::cli::main_with(argc, argv);
} catch (const std::exception& problem) {
  // Memory that is not to be had, or a bug: an end that says so.
  // Whatever it quotes may be a stranger's.
  if (gpunode::cli::asks_for_json(argc, argv)) {
    gpunode::cli::tell_in_json(problem.what(), gpunode::cli::ExitCode::kError);
  }
  std::fputs("gpunode: error: ", stderr);
  std::fputs(gpunode::cli::harmless(problem.what()).c_str(), stderr);
  std::fputs("\n", stderr);
  return static_cast<int>(gpunode::cli::ExitCode::kError);
}
