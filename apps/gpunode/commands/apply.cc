// gpunode apply and resume: the host becomes what the file says.

#include "apps/gpunode/commands/apply.h"

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include "apps/gpunode/commands/commands.h"
#include "apps/gpunode/commands/consent.h"
#include "apps/gpunode/commands/given_path.h"
#include "apps/gpunode/commands/run_outcome.h"
#include "apps/gpunode/commands/stop_signals.h"
#include "apps/gpunode/commands/verify_node.h"
#include "apps/gpunode/live_run.h"
#include "base/core/waiting_clock.h"
#include "base/host/watched_command_runner.h"
#include "node/provision/executor.h"
#include "node/provision/host_performer.h"
#include "node/provision/pending.h"
#include "node/provision/plan_text.h"
#include "node/provision/resumption.h"
#include "node/provision/run_json.h"
#include "node/provision/run_lock.h"
#include "node/provision/run_text.h"

namespace gpunode::cli {
namespace {

using provision::RunEnd;
using provision::RunOutcome;
using provision::StepState;

constexpr std::size_t kPlanFileLimitBytes = std::size_t{16} << 20U;

/// A second passes while `holder` is at work; false once `limit` have, or a
/// signal says to stop.
bool waits_for(const std::string& holder, unsigned waited, unsigned limit) {
  if (waited >= limit || stop_reason() != StopReason::kNone) return false;
  if (waited == 0) {
    std::fputs(fmt::format("waiting for {}, up to {} s\n",
                           console::printable(holder), limit)
                   .c_str(),
               stderr);
  }
  std::this_thread::sleep_for(std::chrono::seconds(1));
  return true;
}

provision::RunJson json_lines() {
  return {[](const std::string& line) {
            std::fputs(line.c_str(), stdout);
            // Who follows a long action is to see it while it runs.
            std::fflush(stdout);
          },
          SystemWaitingClock::instance()};
}

/// One apply from lock to outcome.
class Application {
 public:
  Application(ApplyOptions options, Session& session)
      : options_(std::move(options)), session_(session), host_(options_.root) {}

  void run();

 private:
  Result<void> prepare();
  /// Under the lock: which run goes on, with what options. False: none waits.
  Result<bool> take_pending();
  /// Takes the plan of the run that goes on, if it may; a failure is said.
  bool take_agreed();
  bool is_whole() const { return options_.only.empty(); }
  bool may_start();
  /// What stands in the plan keeps it from being done; false.
  bool refuse(ExitCode code);
  bool is_agreed();
  /// What is left of `run` for who goes on with it: the plan as it is now.
  provision::Pending pending_of(const std::string& run) const;
  Result<RunOutcome> execute();
  template <class Follower>
  RunOutcome execute_watched(Follower& follower, bool is_systemd_stale);
  void end(const RunOutcome& outcome);
  /// Ends the run that waits to be gone on with, since nothing is left to do.
  Result<void> end_pending();
  /// What a whole look at the host after the run makes of it.
  RunOutcome looked_over(RunOutcome outcome);
  void reboot(const RunOutcome& outcome);
  void show(const std::string& text);

  ApplyOptions options_;
  Session& session_;
  host::HostRoot host_;
  std::optional<provision::RunLock> lock_;
  std::optional<provision::Journal> journal_;
  unsigned waited_seconds_ = 0;
  std::optional<NodeView> view_;
  provision::PackageForecasts forecasts_;
  /// The run that goes on, if one does, and what was planned at its start:
  /// view_ is then what remains of it.
  std::optional<provision::Pending> pending_;
  std::optional<provision::Plan> agreed_;
};

void Application::show(const std::string& text) {
  if (options_.as_json) return;
  if (auto printed = print(text); !printed) session_.fail(printed.error());
}

Result<void> Application::prepare() {
  TRY_VOID(require_root(options_, "apply"));
  auto lock = provision::RunLock::take(
      host_, "gpunode apply", [this](const std::string& holder) {
        return waits_for(holder, waited_seconds_++, options_.run_wait_seconds);
      });
  if (!lock) {
    session_.fail(lock.error(), lock.error().code() == ErrorCode::kUnavailable
                                    ? ExitCode::kLocked
                                    : ExitCode::kError);
    return {};
  }
  lock_.emplace(*std::move(lock));
  if (options_.resumes) {
    TRY(const bool waits, take_pending());
    if (!waits) {
      show(kNoneWaits);
      return {};
    }
  }
  NodeOptions options = options_;
  options.is_run = true;
  options.asks_cluster = !options_.resumes;
  TRY(NodeView view, view_node(options, session_));
  view_.emplace(std::move(view));
  return {};
}

Result<bool> Application::take_pending() {
  TRY(pending_, provision::read_pending(host_));
  if (!pending_) return false;
  options_.spec_path = pending_->spec_path;
  options_.blank_only = pending_->blank_only;
  options_.ignored_preflight = pending_->ignored_preflight;
  options_.only = pending_->only;
  options_.confirmed_wipes = pending_->confirmed_wipes;
  options_.overwrite_drift = pending_->overwrite_drift;
  return true;
}

bool Application::take_agreed() {
  auto rest = provision::go_on(*pending_, view_->spec.files, view_->plan,
                               view_->journal);
  if (!rest) {
    session_.fail(rest.error(), exit_code_of(rest.error().code()));
    return false;
  }
  agreed_.emplace(std::move(rest->agreed));
  view_->plan = std::move(rest->remaining);
  return true;
}

bool Application::refuse(ExitCode code) {
  session_.outcome = code;
  if (!options_.as_json) return false;
  provision::RunJson json = json_lines();
  json.refused(view_->plan, forecasts_, static_cast<int>(code));
  return false;
}

bool Application::may_start() {
  const provision::Plan& plan = view_->plan;
  if (plan.has(StepState::kRefused) || plan.has(StepState::kBlocked)) {
    return refuse(cli::exit_code_of(plan));
  }
  if (forecasts_.has_refusal()) return refuse(ExitCode::kRefusedForSafety);
  if (plan.has(StepState::kDrift) && !options_.overwrite_drift) {
    return refuse(ExitCode::kPersonNeeded);
  }
  if (options_.plan_file.empty()) return true;
  const auto saved = host::HostRoot("/").read_file(
      given_path(options_.plan_file), kPlanFileLimitBytes);
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

provision::Pending Application::pending_of(const std::string& run) const {
  return {.run = run,
          .spec_path = view_->spec.path,
          .confirmed_wipes = options_.confirmed_wipes,
          .only = options_.only,
          .overwrite_drift = options_.overwrite_drift,
          .blank_only = options_.blank_only,
          .ignored_preflight = options_.ignored_preflight,
          .spec_files = view_->spec.files,
          .plan = provision::plan_file(view_->plan)};
}

Result<RunOutcome> Application::execute() {
  TRY(provision::Journal journal,
      provision::Journal::open(host_, view_->facts.kernel.boot_id));
  journal_.emplace(std::move(journal));
  const bool is_systemd_stale = view_->facts.machine.systemd &&
                                provision::has_unended_run(journal_->lines());
  const bool goes_on = pending_.has_value();
  const std::string run = goes_on ? pending_->run : new_run_name();
  // Made before the journal says that a run began: nothing is left to go wrong
  // between the two but writing it.
  const provision::Pending pending = pending_of(run);
  TRY_VOID(journal_->start(run, goes_on      ? "resume"
                                : is_whole() ? "apply"
                                             : provision::kOnlyCommand));
  // Single Steps are somebody's own business, a boot unit's too: the run that
  // may be waiting for its reboot is not theirs.
  if (is_whole() && !goes_on) {
    TRY_VOID(provision::write_pending(host_, pending));
  }
  provision::RunText text(
      stdout, [this] { return terminal_of(options_, session_); },
      SystemWaitingClock::instance());
  provision::RunJson json = json_lines();
  if (options_.as_json) return execute_watched(json, is_systemd_stale);
  return execute_watched(text, is_systemd_stale);
}

template <class Follower>
RunOutcome Application::execute_watched(Follower& follower,
                                        bool is_systemd_stale) {
  LiveRun live(follower, SystemWaitingClock::instance());
  host::WatchedCommandRunner runner(live);
  provision::HostPerformer performer(
      host_, runner,
      {.overwrite_drift = options_.overwrite_drift,
       .packages = provision::package_settings(view_->spec),
       .is_systemd_stale = is_systemd_stale,
       .watch = &live,
       .cluster = {.environment = session_.environment,
                   .quiet_runner = &session_.runner}});
  const auto replan = [&](std::string_view step) {
    return replan_step(
        options_, *view_,
        provision::history_of(journal_->lines(), journal_->run()), session_,
        step);
  };
  return provision::execute(agreed_ ? *agreed_ : view_->plan, performer,
                            *journal_, replan, live, stop_on_signals());
}

RunOutcome Application::looked_over(RunOutcome outcome) {
  if (outcome.end != RunEnd::kDone || outcome.changed == 0) return outcome;
  auto now = replan_all(
      options_, *view_,
      provision::history_of(journal_->lines(), journal_->run()), session_);
  if (now) return provision::judged_by(*now, std::move(outcome));
  outcome.end = RunEnd::kVerificationFailed;
  outcome.step = "apply";
  outcome.message = now.error().message();
  return outcome;
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
    provision::RunJson json = json_lines();
    json.outcome(outcome);
  }
  // A shutdown ends no run that can wait for the boot after it.
  const bool waits = is_whole() && is_cut_off(outcome.end, stop_reason());
  show(harmless(recap(outcome, waits)));
  if (waits) return;
  if (outcome.end == RunEnd::kRebootNeeded) return reboot(outcome);
  Result<void> ended =
      is_whole() ? provision::remove_pending(host_) : Result<void>();
  if (ended) {
    auto line = journal_->append(
        {.event = provision::JournalEvent::kEnd,
         .step = outcome.step,
         .note = fmt::format("{} {}", provision::end_name(outcome.end),
                             outcome.message)});
    if (!line) ended = std::move(line).error();
  }
  if (!ended) session_.fail(ended.error());
}

Result<void> Application::end_pending() {
  const auto pending = provision::read_pending(host_);
  // One that cannot be read is nobody's: it goes without a word.
  if (pending && pending->has_value()) {
    TRY(provision::Journal journal,
        provision::Journal::open(host_, view_->facts.kernel.boot_id));
    TRY_VOID(journal.start((*pending)->run, pending_ ? "resume" : "apply"));
    // The run that was cut off may not have told systemd of its last files.
    provision::HostPerformer performer(
        host_, session_.runner,
        {.is_systemd_stale = view_->facts.machine.systemd});
    TRY_VOID(performer.finish());
    TRY_VOID(journal.append(
        {.event = provision::JournalEvent::kEnd,
         .note = std::string(provision::end_name(RunEnd::kDone))}));
  }
  return provision::remove_pending(host_);
}

void Application::run() {
  if (const auto ready = prepare(); !ready) {
    // What goes on was named by nobody now.
    return session_.fail(ready.error(), options_.resumes
                                            ? ExitCode::kError
                                            : exit_code_of_failure(session_));
  }
  if (!view_) return;  // The lock is another's, or no run waits; said already.
  if (pending_ && !take_agreed()) return;
  forecasts_ = forecasts_of(options_, *view_);
  if (options_.as_json) {
    provision::RunJson json = json_lines();
    json.plan(view_->plan, forecasts_);
  }
  show(provision::plan_page(view_->plan,
                            {.drift_is_overwritten = options_.overwrite_drift,
                             .is_about_to_begin = true,
                             .forecasts = forecasts_})
           .render(terminal_of(options_, session_)));
  if (!may_start()) return;
  if (view_->plan.changes() == 0) {
    if (!is_whole()) return;
    if (auto ended = end_pending(); !ended) session_.fail(ended.error());
    return;
  }
  if (!is_agreed()) return;
  auto outcome = execute();
  if (!outcome) return session_.fail(outcome.error());
  end(looked_over(*std::move(outcome)));
  // The journal has its end: what works or not is no part of the run.
  if (is_whole() && session_.outcome == ExitCode::kOk) {
    lock_.reset();  // Nothing is changed any more.
    verify_made_node(view_->spec.verify, options_, session_);
  }
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

Exit code 0: it is as the file says; 1: a step failed; 2: all is done, and by
that there is more to do, see another `gpunode apply`; 3: refused, for safety;
4: reboot needed; 5: a person must act first; 6: another gpunode is at work;
7: a step was done and is still not so; 130: stopped.)";

}  // namespace

std::string new_run_name() {
  const std::time_t now = std::time(nullptr);
  return fmt::format("{:%Y%m%d-%H%M%S}-{}", fmt::gmtime(now), ::getpid());
}

void apply_node(const ApplyOptions& options, Session& session) {
  // What is made on the way to a file is everybody's to pass through, and so is
  // what programs that are run make; what is root's alone says so itself.
  constexpr mode_t kOthersMayRead = 022;
  ::umask(kOthersMayRead);
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
                 "Erase no disk, whatever is confirmed");
  verb->add_option("--lock-wait", options->lock_wait_seconds,
                   "Seconds to wait for a package manager in use, before "
                   "anything is begun")
      ->capture_default_str();
  verb->add_option("--run-wait", options->run_wait_seconds,
                   "Seconds to wait for another gpunode that is at work")
      ->capture_default_str();
  verb->add_flag("--no-reboot", options->never_reboot,
                 "Stop where a reboot is needed, whatever the file says");
  verb->footer(kExamples);
  verb->callback([options, &session] { apply_node(*options, session); });
}

}  // namespace gpunode::cli
