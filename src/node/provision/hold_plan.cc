#include "node/provision/hold_plan.h"

#include <utility>

#include "node/provision/distribution_row.h"
#include "node/provision/package_actions.h"

namespace gpunode::provision {
namespace {

using distribution::Manager;

/// RHEL 8 to 10 and their kin, Amazon Linux 2023 and Fedora to 40 have it under
/// this name, and none of them installs it by itself.
constexpr const char* kLockPlugin = "python3-dnf-plugin-versionlock";
constexpr const char* kYumsLockPlugin = "yum-plugin-versionlock";

/// What holds are made with where it is a package of its own; nullptr: dnf 5
/// has them built in, and other managers need nothing.
const char* lock_plugin(const PlanInput& input) {
  const auto tool = package_tool(input.facts.os);
  if (!tool || *tool != packages::Tool::kDnf) return nullptr;
  const auto row = distribution_row(input);
  if (row && row->row->manager == Manager::kDnf5) return nullptr;
  if (row && row->row->manager == Manager::kYum) return kYumsLockPlugin;
  return kLockPlugin;
}

}  // namespace

void plan_hold(const PlanInput& input, HoldPackages hold, StepPlan& plan) {
  const char* plugin = lock_plugin(input);
  if (plugin != nullptr && !input.facts.packages.contains(plugin)) {
    plan.actions.emplace_back(InstallPackages{{plugin}});
  }
  plan.actions.emplace_back(std::move(hold));
}

facts::Wanted hold_plan_wants() {
  facts::Wanted wanted;
  wanted.packages = {kLockPlugin, kYumsLockPlugin};
  return wanted;
}

}  // namespace gpunode::provision
