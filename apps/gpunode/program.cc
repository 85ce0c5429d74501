#include "apps/gpunode/program.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <sstream>
#include <string_view>

#include <CLI/CLI.hpp>

#include "apps/gpunode/error_sink.h"
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

int run_verb(int argc, char** argv, const Program& program, Session& session) {
  const bool is_json = asks_for_json(argc, argv);
  if (is_json) {
    set_error_sink([](const Error& error, ExitCode code) {
      tell_in_json(error.message(), code);
    });
  }

  CLI::App app(program.about, "gpunode");
  app.require_subcommand(1);
  program.add_verbs(app, session);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    std::ostringstream help;
    if (app.exit(problem, help, help) == 0) {
      const auto printed = print(help.str());
      if (!printed) session.fail(printed.error());
      return static_cast<int>(session.outcome);
    }
    std::string complaint = usage_error(app, problem);
    if (app.get_subcommands().empty() && !program.elsewhere.empty()) {
      complaint += "; " + program.elsewhere;
    }
    std::fputs(harmless(complaint).c_str(), stderr);
    std::fputs("\nRun with --help for more information.\n", stderr);
    if (is_json) tell_in_json(complaint, ExitCode::kUsage);
    return static_cast<int>(ExitCode::kUsage);
  }
  return static_cast<int>(session.outcome);
}

}  // namespace

int run_program(int argc, char** argv, const Program& program) {
  return run_in_session(argc, argv, [&](Session& session) {
    return run_verb(argc, argv, program, session);
  });
}

int run_in_session(int argc, char** argv,
                   const std::function<int(Session&)>& work) try {
  std::signal(SIGPIPE, SIG_IGN);
  host::SystemCommandRunner runner;
  Session session{runner, environment_variable};
  return work(session);
} catch (const std::exception& problem) {
  // Whatever it quotes may be a stranger's.
  if (asks_for_json(argc, argv)) {
    tell_in_json(problem.what(), ExitCode::kError);
  }
  std::fputs("gpunode: error: ", stderr);
  std::fputs(harmless(problem.what()).c_str(), stderr);
  std::fputs("\n", stderr);
  return static_cast<int>(ExitCode::kError);
}

}  // namespace gpunode::cli
