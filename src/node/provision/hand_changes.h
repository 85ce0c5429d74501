// What a plan would do again although it was done: somebody changed it since.
//
// Files that are wholly ours are looked after where they are planned
// (file_plan.h). This is for the rest: lines in files of others, units,
// settings of the running kernel, and programs.
#pragma once

#include <string>
#include <vector>

#include "node/facts/host_facts.h"
#include "node/provision/journal.h"
#include "node/provision/plan.h"

namespace gpunode::provision {

/// Steps of `plan` with something to do become kDrift where it was done before,
/// by the journal, and the plan is only to do it again: `why` says what was
/// changed. What a boot takes away (settings, loaded modules, swap) counts in
/// the boot in which it was done. What was begun and not done is nobody's
/// change, nor what a run did of the Step that it was cut off in or failed in:
/// the run that goes on does it once more, whoever changed it meanwhile. What
/// an earlier run had done of that Step and seen through is told. Nor is what
/// `now` shows as it was set: a plan may set it once more beside something
/// else. Pure.
void tell_hand_changes(const std::vector<JournalLine>& lines,
                       const facts::HostFacts& now, Plan& plan);

}  // namespace gpunode::provision
