// driver.hold: no update changes the driver but through gpunode.

#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "node/provision/file_plan.h"
#include "node/provision/hold_plan.h"
#include "node/provision/own_holds.h"
#include "node/provision/steps/driver/driver_basis.h"
#include "node/provision/steps/driver/driver_holds.h"
#include "node/provision/steps/steps.h"

namespace gpunode::provision {
namespace {

using packages::Tool;

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

/// What is undone where nothing is to be held: holds and the file, as far as
/// they are ours.
StepPlan let_go(const PlanInput& input, std::string why) {
  StepPlan plan;
  plan_no_managed_file(input, kBlacklist, plan);
  plan_release(own_holds(input.history, "driver."), plan);
  return plan.actions.empty() ? StepPlan::not_wanted(std::move(why)) : plan;
}

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
    facts::Wanted wanted;
    wanted.files = {kBlacklist};
    if (!spec.driver.is_wanted) return wanted;
    wanted.add(basis_wants());
    wanted.add(hold_wants());
    wanted.add(hold_plan_wants());
    wanted.packages.insert(
        {"nvidia-*", "libnvidia-*", "libnvsdm*", "kmod-nvidia-*", kUnattended});
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override {
    StepPlan plan;
    const auto basis = driver_basis(input, plan);
    if (!basis) {
      return plan.state == StepState::kNotWanted ? let_go(input, plan.why)
                                                 : plan;
    }
    if (!input.spec.driver.hold) {
      return let_go(input, "spec.driver.hold is false");
    }
    const std::vector<std::string> set = basis->held();
    HoldPackages hold;
    for (const std::string& name : set) {
      if (!is_held(input, basis->tool, name)) hold.packages.push_back(name);
    }
    if (basis->tool == Tool::kApt &&
        input.facts.packages.contains(kUnattended)) {
      plan_managed_file(input, kBlacklist, kBlacklistBody, plan);
      if (plan.state == StepState::kBlocked) return plan;
    }
    plan_release(own_holds(input.history, "driver.", set), plan);
    if (hold.packages.empty()) return plan;
    if (plan.state == StepState::kOk) {
      plan.state = StepState::kChange;
      plan.why =
          fmt::format("free to change: {}", fmt::join(hold.packages, ", "));
    }
    plan_hold(input, std::move(hold), plan);
    return plan;
  }
};

}  // namespace

std::unique_ptr<Step> make_driver_hold() {
  return std::make_unique<DriverHold>();
}

}  // namespace gpunode::provision
