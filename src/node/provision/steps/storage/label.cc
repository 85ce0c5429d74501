// storage.<id>.label: SELinux knows what is on the new disk.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/host/selinux_policy.h"
#include "node/provision/file_plan.h"
#include "node/provision/steps/storage/storage.h"
#include "node/provision/unit_name.h"

namespace gpunode::provision {
namespace {

/// `wanted`: what the policy will have for it, if that is known.
bool is_labelled(const facts::TreeFacts& tree, const std::string& wanted) {
  if (tree.selinux_label.empty()) return false;
  if (!wanted.empty()) return host::is_same_label(tree.selinux_label, wanted);
  return tree.selinux_label.find("unlabeled_t") == std::string::npos;
}

class Label final : public Step {
 public:
  explicit Label(StorageSpec entry)
      : entry_(std::move(entry)),
        id_(fmt::format("storage.{}.label", entry_.id)),
        title_(fmt::format("{} has its SELinux labels", entry_.path)),
        unit_(fmt::format("gpunode-label-{}.service", entry_.id)),
        unit_path_("/etc/systemd/system/" + unit_) {}

  std::string_view id() const override { return id_; }
  std::string_view title() const override { return title_; }
  std::string_view reason() const override {
    return "the root of a new file system is unlabeled_t, and a confined "
           "container may not even look at it";
  }

  facts::Wanted wants(const NodeSpec& /*spec*/) const override {
    facts::Wanted wanted;
    wanted.files = {unit_path_};
    wanted.units = {unit_};
    want_path_rule(entry_, wanted);
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override {
    if (!input.facts.machine.selinux) {
      return StepPlan::not_wanted("no policy of SELinux is loaded here");
    }
    StepPlan plan;
    if (entry_.on_boot_blank == OnBootBlank::kReformat) {
      plan_unit(input, plan);
    } else {
      plan = taken_unit(input, unit_, "");
      if (plan.state == StepState::kNotWanted) plan = StepPlan::ok();
    }
    if (plan.state == StepState::kBlocked) return plan;
    const auto tree = input.facts.trees.find(entry_.path);
    // storage.<id>.mount labels what it mounts, before anybody uses it.
    if (tree == input.facts.trees.end() || !tree->second.is_mount_point) {
      return plan;
    }
    const std::string label = path_label(input, entry_);
    plan_path_rule(input, entry_, plan);
    if (plan.state == StepState::kBlocked) return plan;
    if (is_labelled(tree->second, label)) return plan;
    plan.actions.emplace_back(relabel_tree(entry_.path));
    plan.state = StepState::kChange;
    plan.why = label.empty() ? fmt::format("{} is not labelled", entry_.path)
                             : fmt::format("{} is {}, and the policy says {}",
                                           entry_.path,
                                           tree->second.selinux_label, label);
    return plan;
  }

 private:
  /// A disk that was made anew at boot comes without the label.
  void plan_unit(const PlanInput& input, StepPlan& plan) const {
    plan_managed_file(input, unit_path_, unit_text(), plan);
    const auto unit = input.facts.units.find(unit_);
    if (unit != input.facts.units.end() &&
        unit->second.unit_file_state == "enabled") {
      return;
    }
    plan.actions.emplace_back(SetUnit{.unit = unit_, .enabled = Wish::kYes});
    if (plan.state != StepState::kOk) return;
    plan.state = StepState::kChange;
    plan.why = fmt::format("{} is not enabled", unit_);
  }

  /// The root alone: what is below it is new, and takes its label from there.
  std::string unit_text() const {
    const std::string users =
        entry_.users.empty()
            ? ""
            : fmt::format("Before={}\n", fmt::join(entry_.users, " "));
    return fmt::format(R"([Unit]
Description=Give {0} the label that the policy of SELinux has for it
Documentation=man:gpunode(1)
DefaultDependencies=no
ConditionSecurity=selinux
ConditionPathIsMountPoint={0}
After={1}
{2}
[Service]
Type=oneshot
TimeoutStartSec=5min
TimeoutStopSec=30s
ExecStart=/sbin/restorecon {0}

[Install]
WantedBy={1}
)",
                       entry_.path, unit_name(entry_.path, "mount"), users);
  }

  StorageSpec entry_;
  std::string id_;
  std::string title_;
  std::string unit_;
  std::string unit_path_;
};

}  // namespace

RunProgram relabel_tree(const std::string& path) {
  constexpr std::uint64_t kHour = 3600;
  // Not -F: a volume that belongs to one container keeps its categories. No
  // device nodes, for no policy lets restorecon give them a file's label;
  // they are the whiteouts of images, which nobody opens.
  return {{"/usr/bin/find", path, "-xdev", "-not", "-type", "c", "-not",
           "-type", "b", "-exec", "/sbin/restorecon", "-i", "{}", "+"},
          {},
          kHour};
}

std::unique_ptr<Step> make_storage_label(const StorageSpec& entry) {
  return std::make_unique<Label>(entry);
}

}  // namespace gpunode::provision
