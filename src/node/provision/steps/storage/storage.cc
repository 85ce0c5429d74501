#include "node/provision/steps/storage/storage.h"

#include <utility>

#include "node/provision/file_plan.h"
#include "node/provision/storage_choice.h"

namespace gpunode::provision {

std::string uuid_of(const PlanInput& input, const StorageSpec& entry) {
  const auto file = input.facts.files.find(std::string(kMachineIdPath));
  const bool is_there =
      file != input.facts.files.end() && file->second.content.has_value();
  return storage_uuid(is_there ? *file->second.content : "", entry.id);
}

StepPlan taken_unit(const PlanInput& input, const std::string& unit,
                    std::string why) {
  StepPlan plan;
  plan_no_managed_file(input, "/etc/systemd/system/" + unit, plan);
  if (plan.actions.empty()) return StepPlan::not_wanted(std::move(why));
  plan.actions.insert(plan.actions.begin(),
                      SetUnit{.unit = unit, .enabled = Wish::kNo});
  return plan;
}

Steps storage_steps(const StorageSpec& entry) {
  Steps steps;
  steps.push_back(make_storage_disk(entry));
  steps.push_back(make_storage_boot(entry));
  steps.push_back(make_storage_users(entry));
  steps.push_back(make_storage_mount(entry));
  steps.push_back(make_storage_label(entry));
  return steps;
}

}  // namespace gpunode::provision
