// What would be done to a host, Step by Step.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "node/provision/step.h"

namespace gpunode::provision {

struct PlannedStep {
  std::string id;
  std::string title;
  std::string reason;
  StepPlan plan;
  std::vector<std::string> counts_on = {};  ///< As the Step says it.
};

struct Plan {
  std::string host;                ///< "rocky 8.9 x86_64".
  std::string kernel;              ///< uname -r.
  std::string node;                ///< metadata.name.
  std::vector<PlannedStep> steps;  ///< In the order in which they are done.
  std::vector<std::string> gaps;   ///< What could not be observed.
  std::vector<std::string> not_carried_out;  ///< Sections of the file.

  std::size_t changes() const;  ///< Steps with actions.
  bool has(StepState state) const;
};

using Steps = std::vector<std::unique_ptr<Step>>;

/// Everything that `steps` want, together.
facts::Wanted wanted_by(const Steps& steps, const NodeSpec& spec);

/// Pure. The order of `steps` is the order of the plan; what a Step plans may
/// count on those before it being done.
Plan make_plan(const Steps& steps, const PlanInput& input);

/// The plan as a file of its own: JSON with a version (docs/formats/plan.md).
std::string plan_file(const Plan& plan);

/// The plan that a plan file has: steps with id and plan, without the diffs and
/// what only the program knows of them. kCorrupt if it is no plan file,
/// kUnsupported if it is of another version.
Result<Plan> read_plan_file(std::string_view text);

/// Why `saved`, the text of a plan file, is not the plan that would be made
/// now: the first Step that differs, in words. Nothing if it is the same;
/// kCorrupt if it is no plan file.
Result<std::string> difference(std::string_view saved, const Plan& now);

}  // namespace gpunode::provision
