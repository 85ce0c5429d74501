// Doing exactly what was simulated: the order of things, for every tool.
#pragma once

#include <functional>

#include "base/core/result.h"
#include "node/provision/packages/package.h"

namespace gpunode::packages {

/// `plan` with every version named, those of dependencies too: asked again it
/// must resolve to the same changes.
Transaction pinned(const TransactionPlan& plan);

/// What a tool does at each point.
struct PlanSteps {
  std::function<Result<Observation>()> observe;
  /// The changes that `wanted` would make now.
  std::function<Result<std::vector<PackageChange>>(const Transaction&)> resolve;
  /// Makes them.
  std::function<Result<void>(const Transaction&)> run;
  /// After success: what was not asked for is not to count as asked for.
  std::function<Result<void>(const Observation& before)> tidy;
};

/// observe → resolve again and compare → run → observe. Nothing is run if the
/// plan does not hold any more.
Applied apply_plan(const TransactionPlan& plan, const PlanSteps& steps);

/// Names of packages that `plan` brings and `before` had not, and that were
/// not asked for: dependencies.
std::vector<std::string> new_dependencies(const TransactionPlan& plan,
                                          const Observation& before);

/// The first package that was asked for and that is neither in `changes` nor
/// installed as it should be; null if none is. dnf's shell and zypper pass over
/// what they can't do.
const Wanted* left_out(const Transaction& wanted,
                       const std::vector<PackageChange>& changes,
                       const Observation& before);

}  // namespace gpunode::packages
