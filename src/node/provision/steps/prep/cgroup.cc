// prep.cgroup: containerd and the kubelet leave cgroups to the same one.

#include <fmt/format.h>

#include "base/text/toml_edit.h"
#include "node/provision/file_plan.h"
#include "node/provision/steps/runtime/containerd_file.h"
#include "node/provision/steps/steps.h"

namespace gpunode::provision {
namespace {

constexpr const char* kPath = kContainerdConfig;
constexpr const char* kUnit = "containerd.service";

Result<std::string> with_systemd_cgroup(std::string content) {
  TRY(text::TomlEditor editor,
      text::TomlEditor::open(std::move(content), kPath));
  TRY_VOID(set_systemd_cgroup(editor, true));
  return editor.text();
}

class Cgroup final : public Step {
 public:
  std::string_view id() const override { return "prep.cgroup"; }
  std::string_view title() const override {
    return "containerd leaves cgroups to systemd";
  }
  std::string_view reason() const override {
    return "two managers of one cgroup tree kill Pods under memory pressure, "
           "and kubeadm's kubelet uses systemd's";
  }

  facts::Wanted wants(const NodeSpec& /*spec*/) const override {
    facts::Wanted wanted;
    wanted.files = {kPath};
    wanted.units = {kUnit};
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override {
    if (input.spec.runtime.is_wanted) {
      return StepPlan::not_wanted(
          "`spec.runtime` is there, and runtime.config sees to it");
    }
    const auto unit = input.facts.units.find(kUnit);
    if (unit == input.facts.units.end() ||
        unit->second.load_state != "loaded") {
      return StepPlan::not_wanted("containerd is not installed");
    }
    const auto file = input.facts.files.find(kPath);
    const bool has_file =
        file != input.facts.files.end() && file->second.content.has_value();
    auto after =
        with_systemd_cgroup(has_file ? *file->second.content : "version = 2\n");
    if (!after) {
      return StepPlan::blocked(
          after.error().message(),
          fmt::format("mend {}; `containerd config dump` shows what containerd "
                      "makes of it",
                      kPath));
    }
    StepPlan plan;
    plan_edited_file(input, kPath, *std::move(after), plan);
    const bool is_owed =
        plan.state == StepState::kOk && input.history.unsettled.contains(kPath);
    if (plan.state == StepState::kChange) {
      plan.why = "SystemdCgroup is not on";
    } else if (!is_owed) {
      return plan;
    }
    if (unit->second.active_state == "active") {
      if (is_owed) {
        plan.state = StepState::kChange;
        plan.why = "containerd may run without the file that it was given";
      }
      plan.actions.emplace_back(
          SetUnit{.unit = kUnit, .active = Wish::kYes, .restart = true});
      plan.notes.emplace_back(
          "containerd is restarted; containers go on running");
    }
    return plan;
  }
};

}  // namespace

std::unique_ptr<Step> make_prep_cgroup() {
  return std::make_unique<Cgroup>();
}

}  // namespace gpunode::provision
