// runtime.links: systemd finds the GPUs' devices, now and after a boot, and the
// node's CDI spec is kept.
//
// Before containerd is set up, and so before any container has a GPU: a link
// helps the containers that are made after it.

#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "node/provision/file_plan.h"
#include "node/provision/steps/runtime/cdi_units.h"
#include "node/provision/steps/runtime/runtime.h"

namespace gpunode::provision {
namespace {

// /dev/nvidiactl, whose numbers never change.
constexpr const char* kControlLink = "/dev/char/195:255";
constexpr const char* kPackagedRules =
    "/usr/lib/udev/rules.d/90-gpunode-cdi.rules";
constexpr const char* kRulesPath = "/etc/udev/rules.d/90-gpunode-cdi.rules";
constexpr const char* kPackagedProgram = "/usr/bin/gpunode";
constexpr std::uint64_t kLinkSeconds = 60;

bool is_wanted(const RuntimeSpec& spec) {
  return spec.is_wanted &&
         (spec.has_device_links || spec.gpu_mode == GpuMode::kCdi);
}

facts::UnitFacts unit_of(const PlanInput& input, const char* name) {
  const auto found = input.facts.units.find(name);
  return found == input.facts.units.end() ? facts::UnitFacts() : found->second;
}

class Links final : public Step {
 public:
  std::string_view id() const override { return "runtime.links"; }
  std::string_view title() const override {
    return "systemd finds the GPUs' devices, and the CDI spec is kept";
  }
  std::string_view reason() const override {
    return "at a daemon-reload systemd takes the GPUs from containers whose "
           "devices it does not find below /dev/char";
  }
  std::vector<std::string> counts_on() const override {
    return {"driver.packages", "driver.load", "driver.services"};
  }

  facts::Wanted wants(const NodeSpec& spec) const override {
    facts::Wanted wanted;
    for (const CdiUnit& unit : cdi_units("/x", true)) {
      wanted.files.insert(unit.path);
    }
    if (!is_wanted(spec.runtime)) return wanted;
    wanted.files.insert(kPackagedRules);
    wanted.units = {kRefreshUnit, kRefreshPath, "kubelet.service"};
    wanted.modules = {"nvidia"};
    wanted.trees = {kControlLink};
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override {
    StepPlan plan;
    if (!is_wanted(input.spec.runtime)) return taken(input);
    // First: what follows tells systemd to read its units anew.
    plan_links(input, plan);
    const bool is_packaged =
        !has_ours(input) && unit_of(input, kRefreshUnit).load_state == "loaded";
    if (!is_packaged) {
      StepPlan program;
      if (!plan_can_start_program(input, program)) return program;
      plan_units(input, plan);
      if (plan.state == StepState::kBlocked) return plan;
    }
    for (const char* unit : {kRefreshUnit, kRefreshPath}) {
      plan_unit(input, unit, plan);
    }
    return plan;
  }

 private:
  static bool has_ours(const PlanInput& input) {
    for (const CdiUnit& unit : cdi_units("/x", true)) {
      const auto file = input.facts.files.find(unit.path);
      if (file != input.facts.files.end() && file->second.exists() &&
          unit.path != kRulesPath) {
        return true;
      }
    }
    return false;
  }

  static void plan_links(const PlanInput& input, StepPlan& plan) {
    if (!input.spec.runtime.has_device_links) return;
    const auto link = input.facts.trees.find(kControlLink);
    const bool has_link =
        link != input.facts.trees.end() && link->second.exists;
    if (has_link || !will_have_driver(input)) return;
    plan.state = StepState::kChange;
    plan.why = fmt::format("{} is not there", kControlLink);
    plan.actions.emplace_back(
        RunProgram{.argv = {input.spec.program.empty() ? kPackagedProgram
                                                       : input.spec.program,
                            "runtime", "device-links", "--create-nodes"},
                   .timeout_seconds = kLinkSeconds});
    if (unit_of(input, "kubelet.service").active_state == "active") {
      plan.notes.emplace_back(
          "containers that were made before and use GPUs lose them at the next "
          "daemon-reload: drain the node before `gpunode apply`");
    }
  }

  static void plan_units(const PlanInput& input, StepPlan& plan) {
    const auto rules = input.facts.files.find(kPackagedRules);
    const bool has_rules =
        rules != input.facts.files.end() && rules->second.content.has_value();
    for (const CdiUnit& unit :
         cdi_units(input.spec.program, input.spec.runtime.has_device_links)) {
      if (unit.path == kRulesPath && has_rules) continue;
      plan_managed_file(input, unit.path, unit.content, plan);
    }
  }

  static void plan_unit(const PlanInput& input, const char* name,
                        StepPlan& plan) {
    const facts::UnitFacts unit = unit_of(input, name);
    const bool is_path = std::string_view(name) == kRefreshPath;
    const bool is_masked = unit.load_state == "masked";
    const bool is_enabled = unit.unit_file_state == "enabled" && !is_masked;
    // The service does its work and ends; the path has to be there.
    const bool must_run = is_path && input.facts.machine.systemd;
    if (is_enabled && (!must_run || unit.active_state == "active")) return;
    if (plan.state == StepState::kOk) {
      plan.state = StepState::kChange;
      plan.why = is_masked     ? fmt::format("{} is masked", name)
                 : !is_enabled ? fmt::format("{} is not started at boot", name)
                               : fmt::format("{} does not run", name);
    }
    plan.actions.emplace_back(
        SetUnit{.unit = name,
                .enabled = Wish::kYes,
                .masked = is_masked ? Wish::kNo : Wish::kAsIs,
                .active = must_run ? Wish::kYes : Wish::kAsIs});
  }

  /// What we wrote once goes when it is no longer asked for.
  static StepPlan taken(const PlanInput& input) {
    StepPlan plan;
    std::vector<CdiUnit> units = cdi_units("/x", true);
    for (const CdiUnit& unit : units) {
      plan_no_managed_file(input, unit.path, plan);
    }
    if (plan.actions.empty()) {
      return StepPlan::not_wanted(
          input.spec.runtime.is_wanted
              ? "`deviceLinks: false`, and no CDI is asked for"
              : "the file has no `spec.runtime`");
    }
    // While their files are there.
    std::vector<Action> actions;
    for (const char* name : {kRefreshPath, kRefreshUnit}) {
      actions.emplace_back(
          SetUnit{.unit = name, .enabled = Wish::kNo, .active = Wish::kNo});
    }
    plan.actions.insert(plan.actions.begin(), actions.begin(), actions.end());
    return plan;
  }
};

}  // namespace

std::unique_ptr<Step> make_runtime_links() {
  return std::make_unique<Links>();
}

}  // namespace gpunode::provision
