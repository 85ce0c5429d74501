// plugin.service: gpunode-agent of this host offers its GPUs to the kubelet.

#include <string>
#include <utility>

#include <fmt/format.h>

#include "node/provision/file_plan.h"
#include "node/provision/steps/steps.h"

namespace gpunode::provision {
namespace {

// Of the package `gpunode`: the agent opens the driver's library, so it comes
// with a C library of its own and can't be copied as gpunode-runtime is.
constexpr const char* kUnit = "gpunode-agent.service";
constexpr const char* kConfigPath = "/etc/gpunode/agent.yaml";
constexpr const char* kEnvironmentPath = "/etc/gpunode/agent.env";

bool is_wanted(const NodeSpec& spec) {
  return spec.device_plugin.is_wanted &&
         spec.device_plugin.place == PluginPlace::kService;
}

std::string environment_of(const NodeSpec& spec) {
  std::string text;
  if (!spec.device_plugin.config.empty()) {
    text += fmt::format("CONFIG_FILE={}\n", kConfigPath);
  }
  const bool is_cdi =
      spec.runtime.is_wanted && spec.runtime.gpu_mode == GpuMode::kCdi;
  if (is_cdi && !spec.device_plugin.names_list_strategy) {
    // containerd alone, without gpunode-runtime, heeds no variable of an image.
    text += "DEVICE_LIST_STRATEGY=cdi-annotations\n";
  }
  return text;
}

class PluginService final : public Step {
 public:
  std::string_view id() const override { return "plugin.service"; }
  std::string_view title() const override {
    return "the device plugin is a service of the host";
  }
  std::string_view reason() const override {
    return "a Pod gets a GPU once the kubelet was told of it; a service tells "
           "it before any Pod could";
  }
  std::vector<std::string> counts_on() const override {
    return {"driver.packages", "driver.load", "kubernetes.packages"};
  }

  facts::Wanted wants(const NodeSpec& /*spec*/) const override {
    facts::Wanted wanted;
    wanted.files = {kConfigPath, kEnvironmentPath};
    wanted.units = {kUnit};
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override {
    if (!is_wanted(input.spec)) return taken(input);
    const auto found = input.facts.units.find(kUnit);
    const facts::UnitFacts unit =
        found == input.facts.units.end() ? facts::UnitFacts() : found->second;
    if (unit.load_state.empty() || unit.load_state == "not-found") {
      return StepPlan::blocked(
          fmt::format("{} is not on this host", kUnit),
          "install the package `gpunode` (deb or rpm), which has the agent and "
          "its unit; or let the cluster run it: `as: cluster`");
    }
    StepPlan plan;
    const std::string& config = input.spec.device_plugin.config;
    if (config.empty()) {
      plan_no_managed_file(input, kConfigPath, plan);
    } else {
      plan_managed_file(input, kConfigPath, config, plan);
    }
    // Even if it says nothing: by it we know again that the service is ours.
    plan_managed_file(input, kEnvironmentPath, environment_of(input.spec),
                      plan);
    if (plan.state == StepState::kBlocked) return plan;
    start(input, unit, plan);
    return plan;
  }

 private:
  static void start(const PlanInput& input, const facts::UnitFacts& unit,
                    StepPlan& plan) {
    const bool is_other = !plan.actions.empty() ||
                          input.history.unsettled.contains(kConfigPath) ||
                          input.history.unsettled.contains(kEnvironmentPath);
    const bool is_masked = unit.load_state == "masked";
    const bool is_enabled = unit.unit_file_state == "enabled" && !is_masked;
    const bool must_run = input.facts.machine.systemd;
    const bool runs = !must_run || unit.active_state == "active";
    if (is_enabled && runs && !is_other) return;
    plan.actions.emplace_back(
        SetUnit{.unit = kUnit,
                .enabled = Wish::kYes,
                .masked = is_masked ? Wish::kNo : Wish::kAsIs,
                .active = must_run ? Wish::kYes : Wish::kAsIs,
                .restart = is_other && must_run});
    if (plan.state != StepState::kOk) return;
    plan.state = StepState::kChange;
    plan.why = is_masked     ? fmt::format("{} is masked", kUnit)
               : !is_enabled ? fmt::format("{} is not started at boot", kUnit)
               : !runs       ? fmt::format("{} does not run", kUnit)
                       : fmt::format("{} may run as its files were", kUnit);
  }

  /// What we set up once goes when the file says no longer `service`. The
  /// kubelet keeps the GPUs of containers that run.
  static StepPlan taken(const PlanInput& input) {
    StepPlan plan;
    plan_no_managed_file(input, kConfigPath, plan);
    plan_no_managed_file(input, kEnvironmentPath, plan);
    if (plan.actions.empty()) {
      return StepPlan::not_wanted(
          input.spec.device_plugin.is_wanted
              ? "the cluster runs it: `gpunode device-plugin` prints what it "
                "takes"
              : "the file has no `spec.devicePlugin`");
    }
    plan.actions.insert(
        plan.actions.begin(),
        SetUnit{.unit = kUnit, .enabled = Wish::kNo, .active = Wish::kNo});
    return plan;
  }
};

}  // namespace

std::unique_ptr<Step> make_plugin_service() {
  return std::make_unique<PluginService>();
}

}  // namespace gpunode::provision
