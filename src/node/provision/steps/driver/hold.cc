// driver.hold: no update changes the driver but through gpunode.

#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "node/provision/file_plan.h"
#include "node/provision/steps/driver/driver_basis.h"
#include "node/provision/steps/driver/driver_holds.h"
#include "node/provision/steps/steps.h"

namespace gpunode::provision {
namespace {

using packages::Tool;

constexpr const char* kLockPlugin = "python3-dnf-plugin-versionlock";
constexpr const char* kUnattended = "unattended-upgrades";
constexpr const char* kBlacklist = "/etc/apt/apt.conf.d/52gpunode-nvidia";

// unattended-upgrades passes held packages over, and takes their dependencies
// all the same: these are regular expressions from a name's beginning.
constexpr std::string_view kBlacklistBody =
    "Unattended-Upgrade::Package-Blacklist {\n"
    "  \"nvidia-\";\n"
    "  \"libnvidia-\";\n"
    "  \"libnvsdm\";\n"
    "  \"cuda-drivers\";\n"
    "  \"linux-modules-nvidia-\";\n"
    "};\n";

class DriverHold final : public Step {
 public:
  std::string_view id() const override { return "driver.hold"; }
  std::string_view title() const override {
    return "no update changes the driver by itself";
  }
  std::string_view reason() const override {
    return "a userspace that is newer than the loaded module stops every GPU "
           "Pod until the node starts anew";
  }
  std::vector<std::string> counts_on() const override {
    return {"driver.packages"};
  }

  facts::Wanted wants(const NodeSpec& spec) const override {
    if (!spec.driver.is_wanted) return {};
    facts::Wanted wanted = basis_wants();
    wanted.add(hold_wants());
    wanted.files.insert(kBlacklist);
    wanted.packages = {"nvidia-*",      "libnvidia-*", "libnvsdm*",
                       "kmod-nvidia-*", kLockPlugin,   kUnattended};
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override {
    StepPlan plan;
    const auto basis = driver_basis(input, plan);
    if (!basis) return plan;
    if (!input.spec.driver.hold) {
      plan_no_managed_file(input, kBlacklist, plan);
      if (!plan.actions.empty()) return plan;
      return StepPlan::not_wanted("spec.driver.hold is false");
    }
    HoldPackages hold;
    for (const std::string& name : basis->set()) {
      if (!is_held(input, basis->tool, name)) hold.packages.push_back(name);
    }
    if (basis->tool == Tool::kApt &&
        input.facts.packages.contains(kUnattended)) {
      plan_managed_file(input, kBlacklist, kBlacklistBody, plan);
      if (plan.state == StepState::kBlocked) return plan;
    }
    if (hold.packages.empty()) return plan;
    if (plan.state == StepState::kOk) {
      plan.state = StepState::kChange;
      plan.why =
          fmt::format("free to change: {}", fmt::join(hold.packages, ", "));
    }
    if (basis->tool == Tool::kDnf &&
        !input.facts.packages.contains(kLockPlugin)) {
      plan.actions.emplace_back(InstallPackages{{kLockPlugin}});
    }
    plan.actions.emplace_back(std::move(hold));
    return plan;
  }
};

}  // namespace

std::unique_ptr<Step> make_driver_hold() {
  return std::make_unique<DriverHold>();
}

}  // namespace gpunode::provision
