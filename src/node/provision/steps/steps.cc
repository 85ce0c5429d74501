#include "node/provision/steps/steps.h"

#include "node/provision/steps/storage/storage.h"

namespace gpunode::provision {

Steps steps_for(const NodeSpec& spec) {
  Steps steps;
  steps.push_back(make_prep_host());
  steps.push_back(make_engine_resume());
  steps.push_back(make_prep_modules());
  steps.push_back(make_prep_sysctl());
  steps.push_back(make_prep_swap());
  steps.push_back(make_prep_packages());
  steps.push_back(make_prep_time());
  steps.push_back(make_prep_cgroup());
  for (const StorageSpec& entry : spec.storage) {
    steps.push_back(make_storage_disk(entry));
    steps.push_back(make_storage_boot(entry));
    steps.push_back(make_storage_users(entry));
    steps.push_back(make_storage_mount(entry));
    steps.push_back(make_storage_label(entry));
  }
  return steps;
}

}  // namespace gpunode::provision
