// prep.modules: the kernel modules that containers and their network need.

#include <array>

#include <fmt/format.h>

#include "node/provision/file_plan.h"
#include "node/provision/steps/steps.h"

namespace gpunode::provision {
namespace {

constexpr std::array<const char*, 2> kModules = {"overlay", "br_netfilter"};
constexpr const char* kPath = "/etc/modules-load.d/gpunode.conf";

class Modules final : public Step {
 public:
  std::string_view id() const override { return "prep.modules"; }
  std::string_view title() const override {
    return "overlay and br_netfilter are loaded";
  }
  std::string_view reason() const override {
    return "containerd's snapshots are overlays, and kube-proxy sees bridged "
           "traffic only with br_netfilter";
  }

  facts::Wanted wants(const NodeSpec& /*spec*/) const override {
    facts::Wanted wanted;
    wanted.files = {kPath};
    for (const char* name : kModules) wanted.modules.insert(name);
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override {
    StepPlan plan;
    std::string body;
    for (const char* name : kModules) body += fmt::format("{}\n", name);
    plan_managed_file(input, kPath, body, plan);
    for (const char* name : kModules) {
      if (input.facts.modules.contains(name)) continue;
      plan.actions.emplace_back(SetModule{name});
      if (plan.state == StepState::kOk) {
        plan.state = StepState::kChange;
        plan.why = fmt::format("{} is not loaded", name);
      }
    }
    return plan;
  }
};

}  // namespace

std::unique_ptr<Step> make_prep_modules() {
  return std::make_unique<Modules>();
}

}  // namespace gpunode::provision
