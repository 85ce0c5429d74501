// prep.time: some service keeps the clock right.

#include <array>

#include <fmt/format.h>

#include "node/provision/steps/steps.h"

namespace gpunode::provision {
namespace {

constexpr std::array<const char*, 6> kServices = {
    "chronyd.service", "chrony.service", "systemd-timesyncd.service",
    "ntpd.service",    "ntp.service",    "ntpsec.service"};

class Time final : public Step {
 public:
  std::string_view id() const override { return "prep.time"; }
  std::string_view title() const override { return "the clock is kept right"; }
  std::string_view reason() const override {
    return "certificates and tokens are refused when clocks differ";
  }

  std::vector<std::string> counts_on() const override {
    return {"prep.packages"};
  }

  facts::Wanted wants(const NodeSpec& spec) const override {
    facts::Wanted wanted;
    if (!spec.host.time_sync) return wanted;
    for (const char* unit : kServices) wanted.units.insert(unit);
    wanted.packages = {"chrony"};
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override {
    if (!input.spec.host.time_sync) {
      return StepPlan::not_wanted("spec.host.timeSync is keep");
    }
    const char* there = nullptr;
    for (const char* unit : kServices) {
      const auto found = input.facts.units.find(unit);
      if (found == input.facts.units.end() ||
          found->second.load_state != "loaded") {
        continue;
      }
      if (found->second.active_state == "active") return StepPlan::ok();
      // The first that is there, even one that somebody switched off: which
      // service it is was their choice.
      if (there == nullptr) there = unit;
    }
    StepPlan plan{.state = StepState::kChange};
    if (there == nullptr) {
      const bool is_debian =
          input.facts.os.package_manager() == distribution::Manager::kApt;
      plan.why = "no time service is installed";
      plan.actions.emplace_back(InstallPackages{{"chrony"}});
      there = is_debian ? "chrony.service" : "chronyd.service";
    } else {
      plan.why = fmt::format("{} is not running", there);
    }
    plan.actions.emplace_back(
        SetUnit{.unit = there, .enabled = Wish::kYes, .active = Wish::kYes});
    return plan;
  }
};

}  // namespace

std::unique_ptr<Step> make_prep_time() {
  return std::make_unique<Time>();
}

}  // namespace gpunode::provision
