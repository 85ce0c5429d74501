#include <unistd.h>

#include <chrono>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include <CLI/CLI.hpp>

#include "apps/gpunode/commands/commands.h"
#include "apps/gpunode/commands/declared_node.h"
#include "apps/gpunode/commands/given_path.h"
#include "apps/gpunode/commands/output_options.h"
#include "apps/gpunode/session.h"
#include "base/console/terminal.h"
#include "base/core/clock.h"
#include "base/host/host_root.h"
#include "node/diagnose/agent_status.h"
#include "node/diagnose/host_look.h"
#include "node/diagnose/node_check.h"
#include "node/diagnose/plan_look_text.h"
#include "node/diagnose/status_json.h"
#include "node/diagnose/status_text.h"
#include "node/provision/spec_file.h"

namespace gpunode::cli {
namespace {

constexpr const char* kSocket = "/gpunode/agent.sock";
constexpr const char* kClear = "\x1b[H\x1b[2J\x1b[3J";

/// The plan takes questions to systemd and the package manager, which nobody
/// shall be asked every other second.
constexpr std::chrono::seconds kPlanAge(30);

struct Options {
  std::string root = "/";
  std::string spec_path{provision::kDefaultSpecPath};
  std::string plugin_directory = "/var/lib/kubelet/device-plugins";
  bool is_file_named = false;
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
  StatusVerb(const Options& options, Session& session)
      : options_(options),
        session_(session),
        host_(options.root),
        terminal_(console::look_at(STDOUT_FILENO, session.environment,
                                   !options.is_plain)) {}

  Result<Look> look() {
    look_at_plan();
    const Result<std::string> document =
        diagnose::ask_agent(host_.outside(options_.plugin_directory + kSocket));
    if (!document) return without_agent(document.error());
    TRY(diagnose::AgentStatus status, diagnose::parse_agent_status(*document));
    diagnose::name_pods(status.holders, host_);
    const diagnose::Findings findings =
        with_plan(diagnose::check_status(status));
    Look look;
    if (!findings.empty()) look.outcome = ExitCode::kPersonNeeded;
    if (options_.as_json) {
      TRY(look.text,
          diagnose::status_json(*document, status, plan(), findings));
    } else {
      look.text =
          plan_text() +
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
    const diagnose::Absence absence =
        diagnose::judge_absence(why, host, plan());
    const bool is_expected = absence == diagnose::Absence::kExpected;
    const diagnose::Findings findings =
        with_plan(is_expected ? diagnose::Findings()
                              : diagnose::check_absence(why, host));
    Look look;
    if (why.code() == ErrorCode::kPermissionDenied) {
      look.outcome = ExitCode::kError;
    } else if (!findings.empty()) {
      look.outcome = ExitCode::kPersonNeeded;
    }
    look.text = options_.as_json
                    ? diagnose::status_json(host, why, plan(), findings)
                    : plan_text() +
                          diagnose::describe(host, findings, detail(), absence)
                              .render(terminal_);
    return look;
  }

  const diagnose::PlanLook& plan() const { return node_->plan; }

  void look_at_plan() {
    const TimePoint now = clock_.now();
    if (node_ && now - looked_at_ < kPlanAge) return;
    NodeOptions options;
    options.root = options_.root;
    options.spec_path = options_.spec_path;
    node_ = look_at_declared_node(options, options_.is_file_named, session_);
    looked_at_ = now;
  }

  diagnose::Findings with_plan(diagnose::Findings findings) const {
    diagnose::Findings all = diagnose::check_plan(plan());
    all.insert(all.end(), std::make_move_iterator(findings.begin()),
               std::make_move_iterator(findings.end()));
    return all;
  }

  /// Nothing for a host of which nothing is declared.
  std::string plan_text() const {
    if (!plan().exists) return {};
    console::Page page;
    diagnose::describe_plan(plan(), options_.wants_all, page);
    return page.render(terminal_);
  }

  diagnose::Detail detail() const {
    return options_.wants_all ? diagnose::Detail::kAll
                              : diagnose::Detail::kSummary;
  }

  const Options& options_;
  Session& session_;
  const host::HostRoot host_;
  const console::Terminal terminal_;
  const SystemClock clock_;
  std::optional<DeclaredNode> node_;
  TimePoint looked_at_{};
};

Result<ExitCode> show(StatusVerb& verb, bool is_watching) {
  TRY(const Look look, verb.look());
  const bool clears = is_watching && verb.is_screen();
  TRY_VOID(print((clears ? kClear : "") + look.text));
  return look.outcome;
}

void run(const Options& options, Session& session) {
  StatusVerb verb(options, session);
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
  add_spec_file(*verb, options->spec_path,
                "What the host is to be (kind: GPUNode), if there is one");
  verb->add_option("--root", options->root, "Ask on the host mounted here")
      ->capture_default_str();
  verb->add_option("--plugin-directory", options->plugin_directory,
                   "The kubelet's directory of device plugins")
      ->capture_default_str();
  verb->add_flag("--json", options->as_json,
                 "One JSON object with everything (docs/formats/status.md)");
  verb->add_flag("--all", options->wants_all,
                 "Every Pod, device id and Step, however many");
  add_no_color(*verb, options->is_plain);
  verb->add_option("--watch", options->watch_seconds,
                   "Show it again every so many seconds, until Ctrl-C")
      ->expected(0, 1)
      ->default_str("2")
      ->check(CLI::Range(1U, 3600U));
  verb->footer(
      "Asks the running agent on its socket, as root, which asks the kubelet\n"
      "who holds what. Without an agent: what the host's files tell. With a\n"
      "GPUNode file each Step of its plan as well, and how the last run "
      "ended.\n"
      "Exit code 0: all is well; 5: somebody should act, or no agent runs;\n"
      "1: it cannot be told (not root, not an agent that this gpunode knows).");
  verb->callback([options, verb, &session] {
    options->is_file_named = verb->count("--file") > 0;
    options->plugin_directory =
        given_path(options->plugin_directory, options->root);
    run(*options, session);
  });
}

}  // namespace gpunode::cli
