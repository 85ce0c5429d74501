// Planning files that are wholly ours.
#pragma once

#include <string>
#include <string_view>

#include "node/provision/step.h"

namespace gpunode::provision {

/// First line of every file that is wholly ours.
inline constexpr std::string_view kManagedLine =
    "# Written by gpunode; `gpunode apply` shows changes made by hand.\n";

/// Adds to `plan` what makes `path` a file with kManagedLine and `body`:
/// nothing if it is so. A file that is neither this nor what we wrote last is
/// drift: the plan then says who differs and shows the diff.
void plan_managed_file(const PlanInput& input, const std::string& path,
                       std::string_view body, StepPlan& plan);

/// Blocks `plan` if units could not start the program after a boot. True if
/// they can.
bool plan_can_start_program(const PlanInput& input, StepPlan& plan);

/// Adds what makes `path` absent, if we wrote it once; others' files stay.
void plan_no_managed_file(const PlanInput& input, const std::string& path,
                          StepPlan& plan);

/// Adds a change of a file that is not ours: what `after` says and nothing
/// else. Nothing if it has that content.
void plan_edited_file(const PlanInput& input, const std::string& path,
                      std::string after, StepPlan& plan);

}  // namespace gpunode::provision
