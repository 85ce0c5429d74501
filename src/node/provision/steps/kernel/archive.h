// Packages of a kernel that may be in no repository any more: installed with
// the distribution's archive beside the others, for as long as that takes.
#pragma once

#include <string>

#include "node/facts/wanted.h"
#include "node/provision/step.h"

namespace gpunode::provision {

/// Adds the installation to `plan`, and where the file asks for an archive the
/// file of its repository before it, and its removal after it. False: `plan` is
/// blocked, since there is no such archive, or no key to trust it by.
bool plan_with_archive(const PlanInput& input, const std::string& release,
                       InstallPackages install, StepPlan& plan);

/// Takes away what a run that was cut off left of it.
void plan_no_archive(const PlanInput& input, StepPlan& plan);

/// What they look at.
facts::Wanted archive_wants(const NodeSpec& spec);

}  // namespace gpunode::provision
