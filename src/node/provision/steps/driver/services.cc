// driver.services: what must run beside the driver.

#include <fmt/format.h>

#include "node/provision/file_plan.h"
#include "node/provision/steps/driver/driver_request.h"
#include "node/provision/steps/steps.h"

namespace gpunode::provision {
namespace {

constexpr const char* kDropIn =
    "/etc/systemd/system/nvidia-persistenced.service.d/gpunode.conf";

// The unit of Debian's and Ubuntu's package starts it with
// --no-persistence-mode; elsewhere persistence is what it does.
constexpr const char* kPersistent =
    "[Service]\n"
    "ExecStart=\n"
    "ExecStart=/usr/bin/nvidia-persistenced --persistence-mode --verbose\n";

class Services final : public Step {
 public:
  std::string_view id() const override { return "driver.services"; }
  std::string_view title() const override {
    return "the driver's services run";
  }
  std::string_view reason() const override {
    return "without the persistence daemon each first use takes seconds, and "
           "without the fabric manager CUDA fails with 802 behind NVSwitches";
  }
  std::vector<std::string> counts_on() const override {
    return {"driver.packages", "driver.load"};
  }

  facts::Wanted wants(const NodeSpec& /*spec*/) const override {
    facts::Wanted wanted = driver_wants();
    wanted.files = {kDropIn};
    wanted.units = {"nvidia-persistenced.service",
                    "nvidia-fabricmanager.service", "nvidia-imex.service"};
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override {
    StepPlan plan;
    const auto choice = requested_driver(input, plan);
    if (!choice) return plan;
    const facts::OsRelease& os = input.facts.os;
    if (input.spec.driver.persistence &&
        (os.is_like("debian") || os.is_like("ubuntu"))) {
      plan_managed_file(input, kDropIn, kPersistent, plan);
    } else {
      plan_no_managed_file(input, kDropIn, plan);
    }
    const bool has_new_drop_in =
        !plan.actions.empty() || input.history.unsettled.contains(kDropIn);
    for (const std::string& unit : driver_services(input.spec, *choice)) {
      plan_unit(input.facts, unit,
                has_new_drop_in && unit.starts_with("nvidia-persistenced"),
                plan);
    }
    return plan;
  }

 private:
  static void plan_unit(const facts::HostFacts& host, const std::string& unit,
                        bool restart, StepPlan& plan) {
    const auto known = host.units.find(unit);
    const facts::UnitFacts now =
        known == host.units.end() ? facts::UnitFacts{} : known->second;
    std::string why;
    if (now.load_state == "masked") {
      why = "is masked";
    } else if (now.unit_file_state != "enabled" &&
               now.unit_file_state != "static") {
      why = "is not started at boot";
    } else if (now.active_state != "active" && host.machine.systemd) {
      why = now.active_state == "failed" ? "has failed" : "does not run";
    }
    if (why.empty() && !restart) return;
    SetUnit action{.unit = unit,
                   .enabled = Wish::kYes,
                   .active = Wish::kYes,
                   .restart = restart};
    if (now.load_state == "masked") action.masked = Wish::kNo;
    plan.actions.emplace_back(std::move(action));
    if (plan.state == StepState::kOk) {
      plan.state = StepState::kChange;
      plan.why = fmt::format("{} {}", unit,
                             why.empty() ? "may run as its drop-in was" : why);
    }
  }
};

}  // namespace

std::unique_ptr<Step> make_driver_services() {
  return std::make_unique<Services>();
}

}  // namespace gpunode::provision
