// A driver whose packages are there and whose modules are not, since the run
// that brought them was cut off or failed between the two: a plan says so.
//
// New libraries beside an old module refuse each other, and after a boot there
// may be no module at all. Facts alone tell that a module lacks; the journal
// tells that it is half of something, and what was there before.
#pragma once

#include <vector>

#include "node/facts/host_facts.h"
#include "node/provision/journal.h"
#include "node/provision/plan.h"

namespace gpunode::provision {

/// Adds to `why` of the driver's Steps in `plan` that have the rest to do: what
/// is there, what lacks, and what this run would do. Pure.
void tell_half_driver(const std::vector<JournalLine>& lines,
                      const facts::HostFacts& now, Plan& plan);

}  // namespace gpunode::provision
