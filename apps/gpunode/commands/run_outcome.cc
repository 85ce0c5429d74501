#include "apps/gpunode/commands/run_outcome.h"

#include <fmt/format.h>

namespace gpunode::cli {

using provision::RunEnd;
using provision::RunOutcome;

ExitCode exit_code_of(RunEnd end) {
  constexpr int kInterruptedCode = 130;
  switch (end) {
    case RunEnd::kDone:
      return ExitCode::kOk;
    case RunEnd::kRebootNeeded:
      return ExitCode::kRebootNeeded;
    case RunEnd::kVerificationFailed:
      return ExitCode::kVerificationFailed;
    case RunEnd::kNotAsPlanned:
      return ExitCode::kRefusedForSafety;
    case RunEnd::kMoreToDo:
      return ExitCode::kChangesPending;
    case RunEnd::kInterrupted:
      return static_cast<ExitCode>(kInterruptedCode);
    case RunEnd::kFailed:
      break;
  }
  return ExitCode::kError;
}

/// Of a run that may not go on.
ExitCode exit_code_of(ErrorCode why) {
  switch (why) {
    case ErrorCode::kAlreadyExists:
      return ExitCode::kRefusedForSafety;
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kUnsupported:
      return ExitCode::kPersonNeeded;
    default:
      return ExitCode::kError;
  }
}

bool is_cut_off(RunEnd end, StopReason reason) {
  if (reason != StopReason::kTerminated) return false;
  return end == RunEnd::kInterrupted || end == RunEnd::kFailed ||
         end == RunEnd::kVerificationFailed;
}

std::string recap(const RunOutcome& outcome, bool waits) {
  if (waits) {
    return fmt::format(
        "{}: {}\nStopped by SIGTERM, as by a shutdown. `gpunode resume` goes "
        "on from here, as does gpunode-resume.service, where it is enabled, "
        "after the next boot.\n",
        outcome.step, outcome.message);
  }
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
    case RunEnd::kNotAsPlanned:
      return fmt::format(
          "{} is not as it was when this was planned: {}\nWhat was done before "
          "stands. Look at `gpunode plan`; `gpunode apply` starts anew.\n",
          outcome.step, outcome.message);
    case RunEnd::kMoreToDo:
      return fmt::format(
          "All of the plan is done: {} step{} changed. By that there is more "
          "to do, which the plan could not know:\n  {}\nRun `gpunode apply` "
          "again: it shows that, and does it.\n",
          outcome.changed, outcome.changed == 1 ? "" : "s", outcome.message);
    case RunEnd::kFailed:
      break;
  }
  return fmt::format(
      "{} failed: {}\nWhat was done before stands; `gpunode "
      "apply` goes on from here, `gpunode rollback` undoes "
      "it.\n",
      outcome.step, outcome.message);
}

}  // namespace gpunode::cli
