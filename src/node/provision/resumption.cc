#include "node/provision/resumption.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "node/provision/held_plan.h"
#include "node/provision/preflight.h"
#include "node/provision/rollback.h"

namespace gpunode::provision {
namespace {

Error may_not(ErrorCode code, const std::string& why) {
  return {code,
          fmt::format("{}; nothing was changed: `gpunode plan` shows what "
                      "there is to do, `gpunode apply` starts anew",
                      why)};
}

/// The Step of `now` that `agreed` is, with what files do not tell taken over.
Result<PlannedStep> match(PlannedStep& agreed, const Plan& now) {
  const auto found = std::ranges::find(now.steps, agreed.id, &PlannedStep::id);
  if (found == now.steps.end()) {
    return may_not(ErrorCode::kUnsupported,
                   fmt::format("the run that was to go on has the step {}, "
                               "which there is no longer",
                               agreed.id));
  }
  agreed.title = found->title;
  agreed.reason = found->reason;
  agreed.counts_on = found->counts_on;
  return *found;
}

}  // namespace

Result<Resumption> go_on(const Pending& pending,
                         const std::map<std::string, std::string>& spec_files,
                         const Plan& now,
                         const std::vector<JournalLine>& journal) {
  if (!cut_off_rollback(journal).empty()) {
    return may_not(ErrorCode::kInvalidArgument,
                   "it is being undone: `gpunode rollback --yes` brings that "
                   "to its end");
  }
  const std::string edited = spec_difference(pending, spec_files);
  if (!edited.empty()) {
    return may_not(
        ErrorCode::kInvalidArgument,
        fmt::format("{} since the run began that was to go on", edited));
  }
  auto agreed = read_plan_file(pending.plan);
  if (!agreed) {
    return may_not(ErrorCode::kCorrupt,
                   fmt::format("the plan in {} cannot be gone on with: {}",
                               kPendingPath, agreed.error().message()));
  }
  Resumption result{.agreed = *std::move(agreed), .remaining = now};
  // What stands in the way stands in the way of what remains.
  std::erase_if(result.remaining.steps, [](const PlannedStep& step) {
    return step.id != kPreflightId;
  });
  RunSoFar so_far = run_so_far(journal, pending.run);
  so_far.goes_on = true;
  for (PlannedStep& step : result.agreed.steps) {
    if (step.plan.actions.empty()) continue;
    TRY(PlannedStep today, match(step, now));
    // Who began the run said that changes made by hand are overwritten.
    const bool is_settled =
        pending.overwrite_drift && today.plan.state == StepState::kDrift;
    StepPlan judged = today.plan;
    if (is_settled) judged.state = StepState::kChange;
    const Held held = hold_to_plan(step, judged, so_far);
    if (!held.differs.empty()) {
      return may_not(ErrorCode::kAlreadyExists,
                     fmt::format("{} is not as it was when the run began: {}",
                                 step.id, held.differs));
    }
    result.remaining.steps.push_back(std::move(today));
  }
  return result;
}

bool has_unended_run(const std::vector<JournalLine>& lines) {
  bool is_open = false;
  for (const JournalLine& line : lines) {
    if (line.event == JournalEvent::kRun) is_open = true;
    if (line.event == JournalEvent::kEnd) is_open = false;
  }
  return is_open;
}

std::set<std::string> runs_of_parts(const std::vector<JournalLine>& lines) {
  std::set<std::string> runs;
  for (const JournalLine& line : lines) {
    if (line.event == JournalEvent::kRun && line.note != "apply" &&
        line.note != "resume") {
      runs.insert(line.run);
    }
  }
  return runs;
}

}  // namespace gpunode::provision
