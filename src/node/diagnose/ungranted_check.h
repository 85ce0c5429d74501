// The doctor's look at containers that ask for more than they were granted.
#pragma once

#include <vector>

#include "container/oci/ungranted_report.h"
#include "node/diagnose/finding.h"

namespace gpunode::diagnose {

/// One Finding for each container, the most frequent first. Pure.
Findings check_ungranted(std::vector<oci::UngrantedContainer> report);

}  // namespace gpunode::diagnose
