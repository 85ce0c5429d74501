#include "node/provision/steps/steps.h"

#include <utility>

#include "node/provision/steps/runtime/runtime.h"
#include "node/provision/steps/storage/storage.h"

namespace gpunode::provision {

Steps steps_for(const NodeSpec& spec, const std::vector<JournalLine>& journal) {
  Steps steps;
  steps.push_back(make_prep_host());
  steps.push_back(make_engine_resume());
  steps.push_back(make_prep_modules());
  steps.push_back(make_prep_sysctl());
  steps.push_back(make_prep_swap());
  steps.push_back(make_prep_bundle());
  steps.push_back(make_prep_repositories());
  steps.push_back(make_prep_packages());
  steps.push_back(make_prep_time());
  steps.push_back(make_prep_cgroup());
  steps.push_back(make_prep_proxy());
  for (const StorageSpec& entry : spec.storage) {
    for (auto& step : storage_steps(entry)) steps.push_back(std::move(step));
  }
  if (auto left = storage_leftovers(spec, journal); !left.empty()) {
    steps.push_back(make_storage_leftovers(std::move(left)));
  }
  // nouveau first: the reboot of kernel.target serves both.
  steps.push_back(make_kernel_nouveau());
  steps.push_back(make_kernel_target());
  steps.push_back(make_kernel_secureboot());
  steps.push_back(make_kernel_build());
  steps.push_back(make_driver_obstacles());
  steps.push_back(make_driver_repository());
  steps.push_back(make_driver_packages());
  steps.push_back(make_driver_hold());
  steps.push_back(make_driver_modules());
  steps.push_back(make_driver_options());
  steps.push_back(make_driver_load());
  steps.push_back(make_driver_services());
  steps.push_back(make_cuda_extras());
  // containerd's configuration last of these: one restart takes in all of it.
  steps.push_back(make_runtime_engine());
  steps.push_back(make_runtime_links());
  steps.push_back(make_runtime_gpu());
  steps.push_back(make_runtime_config());
  if (!spec.bundle.empty()) steps.push_back(make_runtime_images());
  steps.push_back(make_kubernetes_packages());
  steps.push_back(make_kubernetes_join());
  steps.push_back(make_kubernetes_node());
  steps.push_back(make_plugin_service());
  // Last: what is not made yet is no drift.
  steps.push_back(make_engine_check());
  return steps;
}

}  // namespace gpunode::provision
