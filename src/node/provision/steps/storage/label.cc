// storage.<id>.label: SELinux knows what is on the new disk.

#include <fmt/format.h>

#include "node/provision/steps/storage/storage.h"

namespace gpunode::provision {
namespace {

class Label final : public Step {
 public:
  explicit Label(StorageSpec entry)
      : entry_(std::move(entry)),
        id_(fmt::format("storage.{}.label", entry_.id)),
        title_(fmt::format("{} has its SELinux labels", entry_.path)) {}

  std::string_view id() const override { return id_; }
  std::string_view title() const override { return title_; }
  std::string_view reason() const override {
    return "the root of a new file system is unlabeled_t, and a confined "
           "container may not even look at it";
  }

  facts::Wanted wants(const NodeSpec& /*spec*/) const override {
    facts::Wanted wanted;
    wanted.trees = {entry_.path};
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override {
    if (!input.facts.machine.selinux_enforcing) {
      return StepPlan::not_wanted("SELinux does not enforce here");
    }
    const auto tree = input.facts.trees.find(entry_.path);
    const bool is_labelled =
        tree != input.facts.trees.end() && tree->second.is_mount_point &&
        !tree->second.selinux_label.empty() &&
        tree->second.selinux_label.find("unlabeled_t") == std::string::npos;
    if (is_labelled) return StepPlan::ok();
    StepPlan plan{.state = StepState::kChange,
                  .why = fmt::format("{} is not labelled", entry_.path)};
    constexpr std::uint64_t kHour = 3600;
    plan.actions.emplace_back(
        RunProgram{{"/sbin/restorecon", "-RF", entry_.path}, {}, kHour});
    return plan;
  }

 private:
  StorageSpec entry_;
  std::string id_;
  std::string title_;
};

}  // namespace

std::unique_ptr<Step> make_storage_label(const StorageSpec& entry) {
  return std::make_unique<Label>(entry);
}

}  // namespace gpunode::provision
