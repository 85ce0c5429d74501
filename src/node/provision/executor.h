// Doing what a plan says, so that it can be gone on with or undone.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "node/provision/journal.h"
#include "node/provision/performer.h"
#include "node/provision/plan.h"

namespace gpunode::provision {

/// Who is told while a plan is carried out; called from the executing thread.
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  virtual void step_started(const PlannedStep& step, std::size_t index,
                            std::size_t count) = 0;
  virtual void action_started(const Action& action) = 0;
  virtual void action_ended(const Action& action, const Result<void>& how) = 0;
  virtual void step_ended(const PlannedStep& step, const Result<void>& how) = 0;
};

enum class RunEnd : std::uint8_t {
  kDone,
  kFailed,              ///< An action failed; the journal says which.
  kVerificationFailed,  ///< Done, and the Step still finds it is not so.
  kRebootNeeded,        ///< The rest comes after a reboot.
  kInterrupted,         ///< Somebody asked to stop; between two actions.
  /// The host is no longer what the plan saw; nothing was done to what differs.
  kNotAsPlanned,
  /// All of the plan is done, and what was done made work for Steps that had
  /// none when it was made.
  kMoreToDo,
};

struct RunOutcome {
  RunEnd end = RunEnd::kDone;
  std::string step = {};     ///< Where it ended, unless done.
  std::string message = {};  ///< What happened and what to do next.
  std::size_t changed = 0;   ///< Steps that were carried out.
};

/// Looks at one Step anew, before its actions and after them.
using Replan = std::function<Result<StepPlan>(std::string_view step_id)>;

/// Carries out the Steps of `plan` that have actions, in order, each action
/// journalled before and after. Each Step is looked at anew before its first
/// action and held to `plan` (held_plan.h): what is so by now is passed over,
/// and where it would do something else the run ends. A Step is verified before
/// the next starts.
/// Where an action fails while the Step keeps services stopped, what the Step
/// did is undone, if nothing can have used it yet (taking_back.h).
/// `stop` is looked at between actions. Steps in kDrift are done as well: who
/// calls has asked before.
RunOutcome execute(const Plan& plan, Performer& performer, Journal& journal,
                   const Replan& replan, RunObserver& observer,
                   const std::atomic<bool>& stop);

/// A run that is done is kMoreToDo where `now`, the whole plan made after it,
/// has anything to do. Nothing of that is carried out: nobody has seen it.
RunOutcome judged_by(const Plan& now, RunOutcome outcome);

}  // namespace gpunode::provision
