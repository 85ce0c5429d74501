// engine.resume: a run that needs a reboot goes on after it.

#include <fmt/format.h>

#include "node/provision/file_plan.h"
#include "node/provision/pending.h"
#include "node/provision/steps/steps.h"

namespace gpunode::provision {
namespace {

constexpr const char* kUnit = "gpunode-resume.service";
constexpr const char* kPath = "/etc/systemd/system/gpunode-resume.service";

std::string unit_text(const std::string& program) {
  return fmt::format(
      R"([Unit]
Description=Go on with making this host a GPU node
Documentation=man:gpunode(1)
ConditionPathExists={}
Wants=network-online.target
After=network-online.target local-fs.target dkms.service

[Service]
Type=oneshot
ExecStart={} resume
TimeoutStartSec=infinity
# A shutdown amid a run: gpunode alone is told, ends what it is at (a package's
# scripts, a copy) and leaves the rest to the next boot.
KillMode=mixed
TimeoutStopSec=15min

[Install]
WantedBy=multi-user.target
)",
      kPendingPath, program);
}

class Resume final : public Step {
 public:
  std::string_view id() const override { return "engine.resume"; }
  std::string_view title() const override {
    return "a run goes on after a reboot";
  }
  std::string_view reason() const override {
    return "spec.host.reboot.mode is auto: nobody is there to start it again";
  }

  facts::Wanted wants(const NodeSpec& /*spec*/) const override {
    facts::Wanted wanted;
    wanted.files = {kPath};
    wanted.units = {kUnit};
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override {
    if (input.spec.host.reboot.mode != RebootMode::kAuto) return taken(input);
    StepPlan plan;
    if (!plan_can_start_program(input, plan)) return plan;
    plan_managed_file(input, kPath, unit_text(input.spec.program), plan);
    const auto unit = input.facts.units.find(kUnit);
    if (unit == input.facts.units.end() ||
        unit->second.unit_file_state != "enabled") {
      plan.actions.emplace_back(SetUnit{.unit = kUnit, .enabled = Wish::kYes});
      if (plan.state == StepState::kOk) {
        plan.state = StepState::kChange;
        plan.why = fmt::format("{} is not enabled", kUnit);
      }
    }
    return plan;
  }

 private:
  /// What went on by itself once does not when it is no longer asked for.
  static StepPlan taken(const PlanInput& input) {
    StepPlan plan;
    plan_no_managed_file(input, kPath, plan);
    if (plan.actions.empty()) {
      return StepPlan::not_wanted("spec.host.reboot.mode is not auto");
    }
    plan.actions.insert(plan.actions.begin(),
                        SetUnit{.unit = kUnit, .enabled = Wish::kNo});
    return plan;
  }
};

}  // namespace

std::unique_ptr<Step> make_engine_resume() {
  return std::make_unique<Resume>();
}

}  // namespace gpunode::provision
