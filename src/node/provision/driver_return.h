// A driver that was put in another's place, and whose modules cannot be built:
// the one that was there comes back, or it is said what the machine has now.
//
// New libraries beside an old module refuse each other, and at the next boot
// there may be no module at all. What changed the packages in this run is
// undone by what the journal says, holds and stream with it, and the modules of
// the old version are proved as those of any are. What a run that was cut off
// did is told and stays: `gpunode rollback` undoes it.
#pragma once

#include <string>
#include <vector>

#include "node/provision/executor.h"
#include "node/provision/rollback.h"

namespace gpunode::provision {

struct DriverReturn {
  /// Empty: the packages are as they were before this run, or it stands.
  std::string step;  ///< Which changed them.
  /// "nvidia-driver-cuda 580.65.06": what was there; empty: nothing of it.
  std::string was;
  std::vector<Undoing> plan;  ///< Empty: all stands.
};

/// Pure. `failed` of the Step `step` was not done, and is the last that `lines`
/// begin; nothing but a module's build has anything to bring back.
DriverReturn plan_driver_return(const std::vector<JournalLine>& lines,
                                const std::string& step, const Action& failed);

/// Carries it out, and builds the old version's modules where they are missing.
/// Stopped on the way, what is installed by then is held.
/// What to add to the words of the failure: which driver the machine has, and
/// what next. "" if there is nothing to say.
std::string return_driver(const DriverReturn& back, const std::string& step,
                          const Action& failed, Performer& performer,
                          Journal& journal, RunObserver& observer);

/// "nvidia-driver-cuda 580.65.06": the first that undoing the begun `line`
/// brings back in its version; empty: none.
std::string replaced_by(const JournalLine& line);

/// The same words where nothing is brought back.
std::string words_of_half_installed(const DriverReturn& back);

}  // namespace gpunode::provision
