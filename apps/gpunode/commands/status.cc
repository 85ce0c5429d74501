#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include <CLI/CLI.hpp>

#include "apps/gpunode/commands/commands.h"
#include "apps/gpunode/session.h"
#include "base/console/terminal.h"
#include "base/host/host_root.h"
#include "node/diagnose/agent_status.h"
#include "node/diagnose/host_look.h"
#include "node/diagnose/status_json.h"
#include "node/diagnose/status_text.h"

namespace gpunode::cli {
namespace {

constexpr const char* kSocket = "/gpunode/agent.sock";
constexpr const char* kClear = "\x1b[H\x1b[2J\x1b[3J";

struct Options {
  std::string root = "/";
  std::string plugin_directory = "/var/lib/kubelet/device-plugins";
  bool as_json = false;
  bool wants_all = false;
  bool is_plain = false;
  unsigned watch_seconds = 0;
};

/// What is to be shown at one moment, and what comes of it.
struct Look {
  std::string text;
  ExitCode outcome = ExitCode::kOk;
};

class StatusVerb {
 public:
  StatusVerb(const Options& options, const Session& session)
      : options_(options),
        host_(options.root),
        terminal_(console::look_at(STDOUT_FILENO, session.environment,
                                   !options.is_plain)) {}

  Result<Look> look() const {
    const Result<std::string> document =
        diagnose::ask_agent(host_.outside(options_.plugin_directory + kSocket));
    if (!document) return without_agent(document.error());
    TRY(diagnose::AgentStatus status, diagnose::parse_agent_status(*document));
    diagnose::name_pods(status.holders, host_);
    const diagnose::Findings findings = diagnose::check_status(status);
    Look look;
    if (!findings.empty()) look.outcome = ExitCode::kPersonNeeded;
    if (options_.as_json) {
      TRY(look.text, diagnose::status_json(*document, status, findings));
    } else {
      look.text =
          diagnose::describe(status, findings, detail()).render(terminal_);
    }
    return look;
  }

  /// Whether what is printed may start at the top of a screen.
  bool is_screen() const {
    return ::isatty(STDOUT_FILENO) != 0 && !options_.as_json;
  }

 private:
  Result<Look> without_agent(const Error& why) const {
    // Somebody is there who is no agent: what the host tells is no answer.
    if (why.code() == ErrorCode::kCorrupt) return why;
    const diagnose::HostLook host =
        diagnose::look_at_host(host_, options_.plugin_directory);
    const diagnose::Findings findings = diagnose::check_absence(why, host);
    Look look;
    look.outcome = why.code() == ErrorCode::kPermissionDenied
                       ? ExitCode::kError
                       : ExitCode::kPersonNeeded;
    look.text =
        options_.as_json
            ? diagnose::status_json(host, why, findings)
            : diagnose::describe(host, findings, detail()).render(terminal_);
    return look;
  }

  diagnose::Detail detail() const {
    return options_.wants_all ? diagnose::Detail::kAll
                              : diagnose::Detail::kSummary;
  }

  const Options& options_;
  const host::HostRoot host_;
  const console::Terminal terminal_;
};

Result<ExitCode> show(const StatusVerb& verb, bool is_watching) {
  TRY(const Look look, verb.look());
  const bool clears = is_watching && verb.is_screen();
  TRY_VOID(print((clears ? kClear : "") + look.text));
  return look.outcome;
}

void run(const Options& options, Session& session) {
  const StatusVerb verb(options, session);
  const bool is_watching = options.watch_seconds > 0;
  for (;;) {
    const Result<ExitCode> outcome = show(verb, is_watching);
    if (!outcome) return session.fail(outcome.error());
    session.outcome = *outcome;
    if (!is_watching) return;
    // Until a signal ends it, or nobody reads any more.
    std::this_thread::sleep_for(std::chrono::seconds(options.watch_seconds));
  }
}

}  // namespace

void add_status(CLI::App& gpunode, Session& session) {
  CLI::App* verb = gpunode.add_subcommand(
      "status", "Show this node's GPUs, who holds them, and what is wrong");
  const auto options = std::make_shared<Options>();
  verb->add_option("--root", options->root, "Ask on the host mounted here")
      ->capture_default_str();
  verb->add_option("--plugin-directory", options->plugin_directory,
                   "The kubelet's directory of device plugins")
      ->capture_default_str();
  verb->add_flag("--json", options->as_json,
                 "One JSON object with everything (docs/formats/status.md)");
  verb->add_flag("--all", options->wants_all,
                 "Every Pod and every device id, however many");
  verb->add_flag("--no-color", options->is_plain,
                 "No colours on a terminal; NO_COLOR says the same");
  verb->add_option("--watch", options->watch_seconds,
                   "Show it again every so many seconds, until Ctrl-C")
      ->expected(0, 1)
      ->default_str("2")
      ->check(CLI::Range(1U, 3600U));
  verb->footer(
      "Asks the running agent on its socket, as root, which asks the kubelet\n"
      "who holds what. Without an agent: what the host's files tell.\n"
      "Exit code 0: all is well; 5: somebody should act, or no agent runs;\n"
      "1: it cannot be told (not root, not an agent that this gpunode knows).");
  verb->callback([options, &session] { run(*options, session); });
}

}  // namespace gpunode::cli
