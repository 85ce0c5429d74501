// A Step that failed while it kept services stopped: they run again, on what
// they ran on.
//
// Who stops a service to start it again owes it to the machine. Until the first
// of them is begun to be started nothing can have used what the Step made, so
// that all of it is undone by what the journal says, the latest first; the
// stops came first, and the services come back last: on what they ran on, or
// not at all. Nothing is guessed of a run that was cut off before: what it left
// is gone on with by the next `apply`, or undone by `gpunode rollback`.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "node/provision/executor.h"
#include "node/provision/rollback.h"

namespace gpunode::provision {

struct TakingBack {
  /// Units that the Step stopped to start them again and has not started.
  std::vector<std::string> stopped;
  /// What undoes the Step, stops and all; empty where it must stand.
  std::vector<Undoing> plan;
};

/// Pure. Of `actions`, all that `step` was to do, the one of index `failed` was
/// not done; `lines` is the journal up to that.
TakingBack plan_taking_back(const std::vector<JournalLine>& lines,
                            const std::string& step,
                            const std::vector<Action>& actions,
                            std::size_t failed);

/// Carries it out. What to add to the words of the failure: that the services
/// run as before, or that they do not, and what next.
std::string take_back(const TakingBack& back, const std::string& step,
                      Performer& performer, Journal& journal,
                      RunObserver& observer);

/// Where the lines of this process's run begin: what another one began is not
/// known to be as it left it.
std::size_t begin_of_run(const std::vector<JournalLine>& lines);

/// roll_back(), of which the run's observer is told as of its own actions.
Result<void> roll_back_told(const std::vector<Undoing>& plan,
                            Performer& performer, Journal& journal,
                            RunObserver& observer);

/// The same words where nothing is taken back; "" if no service is stopped.
std::string words_of_stopped(const TakingBack& back, const std::string& step);

}  // namespace gpunode::provision
