// Which packages the managers' own lists hold, by their files. Pure.
#pragma once

#include <string>

#include "node/provision/packages/package.h"
#include "node/provision/step.h"

namespace gpunode::provision {

/// Held in the version that is installed; false for what is not installed.
bool is_held(const PlanInput& input, packages::Tool tool,
             const std::string& name);

/// Held in any version, which would keep another from being installed.
bool has_hold(const PlanInput& input, packages::Tool tool,
              const std::string& name);

/// What both look at.
facts::Wanted hold_wants();

}  // namespace gpunode::provision
