#include "node/provision/executor.h"

#include <utility>

#include <fmt/format.h>

#include "node/provision/driver_return.h"
#include "node/provision/held_plan.h"
#include "node/provision/taking_back.h"

namespace gpunode::provision {
namespace {

class Execution {
 public:
  Execution(const Plan& plan, Performer& performer, Journal& journal,
            const Replan& replan, RunObserver& observer,
            const std::atomic<bool>& stop)
      : plan_(plan),
        performer_(performer),
        journal_(journal),
        replan_(replan),
        observer_(observer),
        stop_(stop) {}

  RunOutcome run();

 private:
  Result<void> act(const PlannedStep& step, const Action& action);
  Result<void> verify(const PlannedStep& step);
  /// False if the run ends here; outcome_ says how.
  bool carry_out(const PlannedStep& step);
  bool look_again(const PlannedStep& step, std::vector<Action>& actions);
  bool take_action(const PlannedStep& step, const Action& action);
  bool end(RunEnd how, const PlannedStep& step, std::string message);
  /// The rest of a Step is not done: services that it stopped run again.
  void see_to_services(const PlannedStep& step,
                       const std::vector<Action>& actions, std::size_t failed);
  /// A driver whose modules can't be built: the one before it comes back.
  void see_to_driver(const PlannedStep& step, const Action& failed);

  const Plan& plan_;
  Performer& performer_;
  Journal& journal_;
  const Replan& replan_;
  RunObserver& observer_;
  const std::atomic<bool>& stop_;
  RunOutcome outcome_;
};

bool Execution::end(RunEnd how, const PlannedStep& step, std::string message) {
  outcome_.end = how;
  outcome_.step = step.id;
  outcome_.message = std::move(message);
  return false;
}

Result<void> Execution::act(const PlannedStep& step, const Action& action) {
  const std::uint64_t seq = journal_.lines().size() + 1;
  TRY(Inverse inverse, performer_.prepare(action, seq));
  JournalLine begin{.event = JournalEvent::kBegin, .step = step.id};
  begin.action = action;
  begin.inverse = std::move(inverse.actions);
  begin.undo = inverse.undo;
  TRY_VOID(journal_.append(std::move(begin)));
  auto done = performer_.perform(action);
  JournalLine after{.event = done ? JournalEvent::kDone : JournalEvent::kFailed,
                    .step = step.id,
                    .of = seq};
  if (!done) after.note = done.error().message();
  const auto written = journal_.append(std::move(after));
  if (done && !written) return written.error();
  return done;
}

Result<void> Execution::verify(const PlannedStep& step) {
  TRY_VOID(performer_.finish());
  TRY(const StepPlan again, replan_(step.id));
  if (again.state == StepState::kOk) return {};
  // What was taken away, since the file asks for it no longer.
  if (again.state == StepState::kNotWanted && again.actions.empty()) return {};
  return Error(ErrorCode::kInternal, again.why.empty()
                                         ? "it would have to be done again"
                                         : again.why);
}

bool Execution::look_again(const PlannedStep& step,
                           std::vector<Action>& actions) {
  const auto now = replan_(step.id);
  if (!now) return end(RunEnd::kFailed, step, now.error().message());
  Held held =
      hold_to_plan(step, *now, run_so_far(journal_.lines(), journal_.run()));
  if (!held.differs.empty()) {
    return end(RunEnd::kNotAsPlanned, step, std::move(held.differs));
  }
  actions = std::move(held.actions);
  return true;
}

bool Execution::take_action(const PlannedStep& step, const Action& action) {
  if (stop_) {
    return end(RunEnd::kInterrupted, step,
               "stopped before: " + describe(action));
  }
  if (const auto* reboot = std::get_if<Reboot>(&action)) {
    const auto written = journal_.append({.event = JournalEvent::kReboot,
                                          .step = step.id,
                                          .note = reboot->reason});
    return end(written ? RunEnd::kRebootNeeded : RunEnd::kFailed, step,
               written ? reboot->reason : written.error().message());
  }
  observer_.action_started(action);
  const auto done = act(step, action);
  observer_.action_ended(action, done);
  if (done) return true;
  // Something is there that the plan did not see: a file, a disk's content.
  const bool differs = done.error().code() == ErrorCode::kAlreadyExists;
  return end(differs ? RunEnd::kNotAsPlanned : RunEnd::kFailed, step,
             done.error().message());
}

void Execution::see_to_services(const PlannedStep& step,
                                const std::vector<Action>& actions,
                                std::size_t failed) {
  if (outcome_.end == RunEnd::kRebootNeeded) return;
  const TakingBack back =
      plan_taking_back(journal_.lines(), step.id, actions, failed);
  // Who asked to stop may be a shutdown, after which the run is gone on with.
  const bool stands = stop_ || back.plan.empty();
  outcome_.message +=
      stands ? words_of_stopped(back, step.id)
             : take_back(back, step.id, performer_, journal_, observer_);
}

void Execution::see_to_driver(const PlannedStep& step, const Action& failed) {
  const DriverReturn back =
      plan_driver_return(journal_.lines(), step.id, failed);
  // Who asked to stop may be a shutdown, after which the run is gone on with.
  outcome_.message += stop_ ? words_of_half_installed(back)
                            : return_driver(back, step.id, failed, performer_,
                                            journal_, observer_);
}

bool Execution::carry_out(const PlannedStep& step) {
  if (stop_) return take_action(step, step.plan.actions.front());
  std::vector<Action> actions;
  if (!look_again(step, actions)) return false;
  if (actions.empty()) return true;
  for (std::size_t i = 0; i < actions.size(); ++i) {
    if (take_action(step, actions[i])) continue;
    see_to_services(step, actions, i);
    see_to_driver(step, actions[i]);
    return false;
  }
  ++outcome_.changed;
  if (const auto good = verify(step); !good) {
    return end(RunEnd::kVerificationFailed, step, good.error().message());
  }
  return true;
}

RunOutcome Execution::run() {
  std::size_t index = 0;
  const std::size_t count = plan_.changes();
  for (const PlannedStep& step : plan_.steps) {
    if (step.plan.actions.empty()) continue;
    observer_.step_started(step, ++index, count);
    const bool goes_on = carry_out(step);
    observer_.step_ended(
        step, goes_on ? Result<void>()
                      : Error(ErrorCode::kInternal, outcome_.message));
    if (!goes_on) {
      // What was done of the Step stands: systemd is told of its files.
      (void)performer_.finish();
      break;
    }
  }
  return std::move(outcome_);
}

}  // namespace

RunOutcome execute(const Plan& plan, Performer& performer, Journal& journal,
                   const Replan& replan, RunObserver& observer,
                   const std::atomic<bool>& stop) {
  return Execution(plan, performer, journal, replan, observer, stop).run();
}

RunOutcome judged_by(const Plan& now, RunOutcome outcome) {
  if (outcome.end != RunEnd::kDone) return outcome;
  for (const PlannedStep& step : now.steps) {
    if (step.plan.actions.empty()) continue;
    outcome.end = RunEnd::kMoreToDo;
    if (outcome.step.empty()) outcome.step = step.id;
    if (!outcome.message.empty()) outcome.message += "; ";
    outcome.message += step.id;
    if (!step.plan.why.empty()) outcome.message += ": " + step.plan.why;
  }
  return outcome;
}

}  // namespace gpunode::provision
