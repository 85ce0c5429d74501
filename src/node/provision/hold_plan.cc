#include "node/provision/hold_plan.h"

#include <utility>

#include "node/provision/package_actions.h"

namespace gpunode::provision {
namespace {

/// RHEL 8 to 10 and their kin, Amazon Linux 2023 and Fedora have it under this
/// name, and none of them installs it by itself.
constexpr const char* kLockPlugin = "python3-dnf-plugin-versionlock";

}  // namespace

void plan_hold(const PlanInput& input, HoldPackages hold, StepPlan& plan) {
  const auto tool = package_tool(input.facts.os);
  if (tool && *tool == packages::Tool::kDnf &&
      !input.facts.packages.contains(kLockPlugin)) {
    plan.actions.emplace_back(InstallPackages{{kLockPlugin}});
  }
  plan.actions.emplace_back(std::move(hold));
}

facts::Wanted hold_plan_wants() {
  facts::Wanted wanted;
  wanted.packages = {kLockPlugin};
  return wanted;
}

}  // namespace gpunode::provision
