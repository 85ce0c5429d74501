// How a run ended: the exit code and the words for a person.
#pragma once

#include <string>

#include "apps/gpunode/commands/stop_signals.h"
#include "apps/gpunode/session.h"
#include "base/core/result.h"
#include "node/provision/executor.h"

namespace gpunode::cli {

ExitCode exit_code_of(provision::RunEnd end);

/// Of a run that may not go on (resumption.h).
ExitCode exit_code_of(ErrorCode why);

/// Whether a shutdown came in between: it stops the run, or takes from it what
/// it works with (its tools, systemd's answers) first.
bool is_cut_off(provision::RunEnd end, StopReason reason);

/// What happened and what to do next, with its newline. `waits`: it was stopped
/// and goes on after the next boot, or with `gpunode resume`.
std::string recap(const provision::RunOutcome& outcome, bool waits);

}  // namespace gpunode::cli
