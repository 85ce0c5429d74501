// What Steps plan by where `spec.bundle` is the only place that packages come
// from: whether it was made with what they install.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "node/provision/packages/package.h"
#include "node/provision/step.h"

namespace gpunode::provision {

/// Nothing where the file names no bundle.
facts::Wanted bundle_wants(const NodeSpec& spec);

/// InstallSet::from of a bundle's packages: dnf tells the repository's id, apt
/// its address.
std::string bundle_source(const NodeSpec& spec, packages::Tool tool);

/// A plan that is blocked by what the bundle lacks of `names` in `version`
/// ("": any), by name; nothing if it has them all, or if the file names none.
std::optional<StepPlan> bundle_lacks(const PlanInput& input,
                                     const std::vector<std::string>& names,
                                     std::string_view version);

}  // namespace gpunode::provision
