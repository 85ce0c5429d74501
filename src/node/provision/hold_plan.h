// Planning that packages stay as they are.
#pragma once

#include "node/provision/step.h"

namespace gpunode::provision {

/// Adds what holds these packages: where dnf has no `versionlock` yet, the
/// plugin that brings it comes first.
void plan_hold(const PlanInput& input, HoldPackages hold, StepPlan& plan);

/// What plan_hold() looks at.
facts::Wanted hold_plan_wants();

}  // namespace gpunode::provision
