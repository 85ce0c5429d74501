// gpunode apply and resume: the host becomes what the file says.

#include "apps/gpunode/commands/apply.h"

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <memory>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include "apps/gpunode/commands/commands.h"
#include "base/core/clock.h"
#include "node/provision/executor.h"
#include "node/provision/host_performer.h"
#include "node/provision/pending.h"
#include "node/provision/plan_text.h"
#include "node/provision/run_json.h"
#include "node/provision/run_lock.h"
#include "node/provision/run_text.h"

namespace gpunode::cli {
namespace {

using provision::RunEnd;
using provision::RunOutcome;
using provision::StepState;

constexpr std::size_t kPlanFileLimitBytes = std::size_t{16} << 20U;

std::atomic<bool> stop_asked{false};

extern "C" void ask_to_stop(int /*signal*/) {
  stop_asked = true;
}

bool says_yes() {
  std::fputs("Do it? Type yes: ", stdout);
  std::fflush(stdout);
  std::string answer;
  for (int c = std::getchar(); c != EOF && c != '\n'; c = std::getchar()) {
    answer += static_cast<char>(c);
  }
  return answer == "yes";
}

ExitCode exit_code_of(RunEnd end) {
  constexpr int kInterruptedCode = 130;
  switch (end) {
    case RunEnd::kDone:
      return ExitCode::kOk;
    case RunEnd::kRebootNeeded:
      return ExitCode::kRebootNeeded;
    case RunEnd::kVerificationFailed:
      return ExitCode::kVerificationFailed;
    case RunEnd::kInterrupted:
      return static_cast<ExitCode>(kInterruptedCode);
    case RunEnd::kFailed:
      break;
  }
  return ExitCode::kError;
}

std::string recap(const RunOutcome& outcome) {
  switch (outcome.end) {
    case RunEnd::kDone:
      return fmt::format(
          "Done: {} step{} changed. `gpunode status` shows how "
          "it stays, `gpunode rollback` undoes it.\n",
          outcome.changed, outcome.changed == 1 ? "" : "s");
    case RunEnd::kRebootNeeded:
      return fmt::format("{}: a reboot is needed: {}\n", outcome.step,
                         outcome.message);
    case RunEnd::kVerificationFailed:
      return fmt::format(
          "{} was done and is still not as it should be: {}\nLook at "
          "`gpunode plan`; `gpunode rollback --step {}` undoes it.\n",
          outcome.step, outcome.message, outcome.step);
    case RunEnd::kInterrupted:
      return fmt::format("{}: {}. `gpunode apply` goes on from here.\n",
                         outcome.step, outcome.message);
    case RunEnd::kFailed:
      break;
  }
  return fmt::format(
      "{} failed: {}\nWhat was done before stands; `gpunode "
      "apply` goes on from here, `gpunode rollback` undoes "
      "it.\n",
      outcome.step, outcome.message);
}

/// One apply from lock to outcome.
class Application {
 public:
  Application(const ApplyOptions& options, Session& session)
      : options_(options), session_(session), host_(options.root) {}

  void run();

 private:
  Result<void> prepare();
  bool is_whole() const { return options_.only.empty(); }
  bool may_start();
  bool is_agreed();
  Result<RunOutcome> execute();
  void end(const RunOutcome& outcome);
  void reboot(const RunOutcome& outcome);
  void show(const std::string& text);

  const ApplyOptions& options_;
  Session& session_;
  host::HostRoot host_;
  std::optional<provision::RunLock> lock_;
  std::optional<provision::Journal> journal_;
  std::optional<NodeView> view_;
};

void Application::show(const std::string& text) {
  if (options_.as_json) return;
  if (auto printed = print(text); !printed) session_.fail(printed.error());
}

Result<void> Application::prepare() {
  TRY_VOID(require_root(options_, "apply"));
  auto lock = provision::RunLock::take(host_, "gpunode apply");
  if (!lock) {
    session_.fail(lock.error(), lock.error().code() == ErrorCode::kUnavailable
                                    ? ExitCode::kLocked
                                    : ExitCode::kError);
    return {};
  }
  lock_.emplace(*std::move(lock));
  TRY(NodeView view, view_node(options_, session_));
  view_.emplace(std::move(view));
  return {};
}

bool Application::may_start() {
  const provision::Plan& plan = view_->plan;
  if (plan.has(StepState::kRefused) || plan.has(StepState::kBlocked)) {
    session_.outcome = cli::exit_code_of(plan);
    return false;
  }
  if (plan.has(StepState::kDrift) && !options_.overwrite_drift) {
    session_.outcome = ExitCode::kPersonNeeded;
    return false;
  }
  if (options_.plan_file.empty()) return true;
  const auto saved =
      host::HostRoot("/").read_file(options_.plan_file, kPlanFileLimitBytes);
  if (!saved) {
    session_.fail(saved.error());
    return false;
  }
  const auto differs = provision::difference(*saved, plan);
  if (!differs) {
    session_.fail(Error(differs.error()).with_context(options_.plan_file));
    return false;
  }
  if (differs->empty()) return true;
  session_.fail(
      Error(ErrorCode::kInvalidArgument,
            fmt::format("this host is no longer as it was for {}: {}; nothing "
                        "was changed, make a new plan",
                        options_.plan_file, *differs)),
      ExitCode::kRefusedForSafety);
  return false;
}

bool Application::is_agreed() {
  if (options_.yes || !options_.plan_file.empty()) return true;
  if (::isatty(STDIN_FILENO) == 1 && !options_.as_json) {
    if (says_yes()) return true;
    session_.outcome = ExitCode::kPersonNeeded;
    return false;
  }
  session_.fail(Error(ErrorCode::kInvalidArgument,
                      "nobody is here to be asked: add --yes, or give a plan "
                      "that was looked at with --plan"),
                ExitCode::kPersonNeeded);
  return false;
}

Result<RunOutcome> Application::execute() {
  TRY(provision::Journal journal,
      provision::Journal::open(host_, view_->facts.kernel.boot_id));
  journal_.emplace(std::move(journal));
  const std::string run = options_.run.empty() ? new_run_name() : options_.run;
  TRY_VOID(journal_->start(run, options_.run.empty() ? "apply" : "resume"));
  // Single Steps are somebody's own business, a boot unit's too: the run that
  // may be waiting for its reboot is not theirs.
  if (is_whole()) {
    TRY_VOID(provision::write_pending(
        host_, {run, view_->spec.path, options_.confirmed_wipes, options_.only,
                options_.overwrite_drift}));
  }
  provision::HostPerformer performer(
      host_, session_.runner, {.overwrite_drift = options_.overwrite_drift});
  const SystemClock clock;
  provision::RunText text(stdout, terminal_of(options_, session_), clock);
  provision::RunJson json(
      [](const std::string& line) { std::fputs(line.c_str(), stdout); });
  provision::RunObserver& observer =
      options_.as_json ? static_cast<provision::RunObserver&>(json) : text;
  const auto replan = [&](std::string_view step) {
    return replan_step(options_, *view_,
                       provision::history_of(journal_->lines()), session_,
                       step);
  };
  return provision::execute(view_->plan, performer, *journal_, replan, observer,
                            stop_on_signals());
}

void Application::reboot(const RunOutcome& outcome) {
  const auto& spec = view_->spec.host.reboot;
  if (spec.mode != provision::RebootMode::kAuto || options_.never_reboot) {
    show("Reboot when it suits, then `gpunode resume`.\n");
    return;
  }
  const std::string refusal = provision::reboot_refusal(
      journal_->lines(), journal_->run(), outcome.message, spec.max);
  if (!refusal.empty()) {
    session_.fail(
        Error(ErrorCode::kUnavailable, "not rebooting again: " + refusal),
        ExitCode::kPersonNeeded);
    return;
  }
  show("Rebooting; the run goes on by itself after it.\n");
  provision::HostPerformer performer(host_, session_.runner, {});
  const auto done = performer.perform(provision::Reboot{outcome.message});
  if (!done) session_.fail(done.error());
}

void Application::end(const RunOutcome& outcome) {
  session_.outcome = exit_code_of(outcome.end);
  if (options_.as_json) {
    provision::RunJson json(
        [](const std::string& line) { std::fputs(line.c_str(), stdout); });
    json.outcome(outcome);
  }
  show(recap(outcome));
  if (outcome.end == RunEnd::kRebootNeeded) return reboot(outcome);
  Result<void> ended =
      is_whole() ? provision::remove_pending(host_) : Result<void>();
  if (ended) {
    auto line = journal_->append(
        {.event = provision::JournalEvent::kEnd,
         .note = fmt::format("{} {}", provision::end_name(outcome.end),
                             outcome.message)});
    if (!line) ended = std::move(line).error();
  }
  if (!ended) session_.fail(ended.error());
}

void Application::run() {
  if (const auto ready = prepare(); !ready) {
    return session_.fail(ready.error());
  }
  if (!view_) return;  // Somebody else has the lock; that was said.
  if (options_.as_json) {
    provision::RunJson json(
        [](const std::string& line) { std::fputs(line.c_str(), stdout); });
    json.plan(view_->plan);
  }
  show(provision::plan_page(view_->plan,
                            {.drift_is_overwritten = options_.overwrite_drift})
           .render(terminal_of(options_, session_)));
  if (!may_start()) return;
  if (view_->plan.changes() == 0) {
    if (!is_whole()) return;
    const auto removed = provision::remove_pending(host_);
    if (!removed) session_.fail(removed.error());
    return;
  }
  if (!is_agreed()) return;
  const auto outcome = execute();
  if (!outcome) return session_.fail(outcome.error());
  end(*outcome);
}

constexpr const char* kExamples = R"(
Examples:
  # Look at the plan, say yes, watch.
  gpunode apply

  # For a program: nobody is asked, one JSON object a line.
  gpunode apply --yes --json node.yaml

  # Exactly the plan that was looked at, or nothing.
  gpunode apply --plan today.plan

Killed, powered off or out of space half-way: `gpunode apply` again ends in the
same state. Every change is in /var/lib/gpunode/journal.jsonl with its inverse.

Exit code 0: it is as the file says; 1: a step failed; 3: refused, for safety;
4: reboot needed; 5: a person must act first; 6: another gpunode is at work;
7: a step was done and is still not so; 130: stopped.)";

void resume(const ApplyOptions& given, Session& session) {
  const auto pending = provision::read_pending(host::HostRoot(given.root));
  if (!pending) return session.fail(pending.error());
  if (!*pending) {
    const auto printed = print("No run waits to go on.\n");
    if (!printed) session.fail(printed.error());
    return;
  }
  ApplyOptions options = given;
  options.spec_path = (*pending)->spec_path;
  options.run = (*pending)->run;
  options.only = (*pending)->only;
  options.confirmed_wipes = (*pending)->confirmed_wipes;
  options.overwrite_drift = (*pending)->overwrite_drift;
  options.yes = true;
  apply_node(options, session);
}

}  // namespace

std::string new_run_name() {
  const std::time_t now = std::time(nullptr);
  return fmt::format("{:%Y%m%d-%H%M%S}-{}", fmt::gmtime(now), ::getpid());
}

Result<void> require_root(const NodeOptions& options, const char* command) {
  if (options.root != "/") {
    return Error(ErrorCode::kUnsupported,
                 fmt::format("{} works on the running host alone: kernel, "
                             "mounts and services of {} are not running; "
                             "`gpunode plan --root` shows what it would do",
                             command, options.root));
  }
  if (::geteuid() == 0) return {};
  return Error(ErrorCode::kPermissionDenied,
               fmt::format("this changes the host: run it as root, `sudo "
                           "gpunode {}`",
                           command));
}

const std::atomic<bool>& stop_on_signals() {
  std::signal(SIGINT, ask_to_stop);
  std::signal(SIGTERM, ask_to_stop);
  return stop_asked;
}

void apply_node(const ApplyOptions& options, Session& session) {
  // Copies of files and the journal are root's alone.
  constexpr mode_t kOwnerOnly = 077;
  ::umask(kOwnerOnly);
  Application(options, session).run();
}

void add_apply(CLI::App& gpunode, Session& session) {
  CLI::App* verb =
      gpunode.add_subcommand("apply", "Make this host what the file says");
  const auto options = std::make_shared<ApplyOptions>();
  add_node_options(*verb, *options);
  verb->add_option("--plan", options->plan_file,
                   "Do exactly what this plan file says, or nothing");
  verb->add_flag("-y,--yes", options->yes, "Do not ask");
  verb->add_flag("--overwrite-drift", options->overwrite_drift,
                 "Changes made by hand to our files are overwritten");
  verb->add_flag("--blank-only", options->blank_only,
                 "Erase no disk, whatever the file allows");
  verb->add_flag("--no-reboot", options->never_reboot,
                 "Stop where a reboot is needed, whatever the file says");
  verb->footer(kExamples);
  verb->callback([options, &session] { apply_node(*options, session); });
}

void add_resume(CLI::App& gpunode, Session& session) {
  CLI::App* verb = gpunode.add_subcommand(
      "resume", "Go on with a run that a reboot or a crash interrupted");
  const auto options = std::make_shared<ApplyOptions>();
  verb->add_option("--root", options->root, "Work on the host mounted here")
      ->capture_default_str();
  verb->add_flag("--json", options->as_json, "One JSON object a line");
  verb->add_flag("--no-reboot", options->never_reboot,
                 "Stop where a reboot is needed, whatever the file says");
  verb->footer("gpunode-resume.service calls this after a boot.");
  verb->callback([options, &session] { resume(*options, session); });
}

}  // namespace gpunode::cli
