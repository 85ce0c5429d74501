// What `--only` leaves of the Steps.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "node/provision/plan.h"

namespace gpunode::provision {

/// Whether the Step `guard` only looks whether `step` may be done here: it does
/// nothing itself, and what it refuses nobody may do by naming a Step.
bool is_guard_of(std::string_view guard, std::string_view step);

/// Takes every Step away that is neither named nor a guard of one that is;
/// nothing if none is named. kInvalidArgument for a name that no Step has.
Result<void> keep_only(const std::vector<std::string>& only, Steps& steps);

/// Whether disks of spec.storage are named, and nothing else.
bool names_disks_alone(const std::vector<std::string>& only);

}  // namespace gpunode::provision
