#include "node/provision/own_holds.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace gpunode::provision {

std::vector<std::string> own_holds(const History& history,
                                   std::string_view steps,
                                   const std::vector<std::string>& kept) {
  std::vector<std::string> names;
  for (const auto& [name, step] : history.held) {
    if (!step.starts_with(steps)) continue;
    if (std::ranges::find(kept, name) == kept.end()) names.push_back(name);
  }
  return names;
}

void plan_release(std::vector<std::string> names, StepPlan& plan) {
  if (names.empty()) return;
  if (plan.state == StepState::kOk || plan.state == StepState::kNotWanted) {
    plan.state = StepState::kChange;
    plan.why = fmt::format("gpunode holds {}, and the file no longer asks so",
                           fmt::join(names, ", "));
  }
  plan.actions.insert(plan.actions.begin(),
                      HoldPackages{std::move(names), false});
}

}  // namespace gpunode::provision
