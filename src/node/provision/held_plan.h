// A Step is held to what was planned: it was looked at anew right before its
// first action, and only what was planned, or what remains of it, is done.
//
// Between a plan and its end lie minutes, a person's yes or a reboot. What was
// agreed to is the plan, not whatever the host suggests by then
// (docs/adr/0017).
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "node/provision/journal.h"
#include "node/provision/plan.h"

namespace gpunode::provision {

/// What a run did so far, a reboot ago or now.
struct RunSoFar {
  std::set<std::string> steps;  ///< Did something.
  std::map<std::string, std::string>
      files;                          ///< seen_content() of what it left.
  std::vector<MakeFilesystem> begun;  ///< Cut off by a crash.
  std::set<std::string> joining;      ///< Nodes whose join was cut off so.
  std::set<std::string> stopped;  ///< Units that it stopped, or was about to.
  /// It was interrupted: after a boot, a unit that it was to stop may not have
  /// come up again, since its disk is not there.
  bool goes_on = false;
};

/// Pure.
RunSoFar run_so_far(const std::vector<JournalLine>& lines,
                    const std::string& run);

/// What to do of a Step, or why nothing of it.
struct Held {
  std::vector<Action> actions = {};  ///< Empty: it is so by now.
  /// What differs from the plan, in words; then there are no actions.
  std::string differs = {};
};

/// `now` held to `planned`: each of its actions must be a planned one, in the
/// planned order, and see the same before as the plan saw or as this run left.
/// Disks are never others, nor is there another content on them, but for a file
/// system that this run began, and a join that it began is taken back before it
/// is made again. A Step that counts on one that this run carried
/// out may also write files that were not there, at planned paths alone, and
/// start or enable a unit of another name.
///
/// Less than was planned may be a host that could not be looked at. So a unit
/// that was to be stopped is stopped before the rest, unless this run began to,
/// or goes on after a boot;
/// and a Step that is not wanted any more differs, unless this run did it.
/// Pure.
Held hold_to_plan(const PlannedStep& planned, const StepPlan& now,
                  const RunSoFar& so_far);

}  // namespace gpunode::provision
