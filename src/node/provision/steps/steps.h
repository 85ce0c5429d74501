// All Steps, in the order in which they are done.
#pragma once

#include <vector>

#include "node/provision/journal.h"
#include "node/provision/plan.h"

namespace gpunode::provision {

/// The Steps that make a host what `spec` says; one of each, and those of
/// storage for every entry. By what earlier runs did, `journal`, one more for
/// entries that are gone.
Steps steps_for(const NodeSpec& spec,
                const std::vector<JournalLine>& journal = {});

/// Whether prep.repositories has anything to see to: the file says so, or what
/// it asks for is not in every distribution's base.
bool wants_extra_repositories(const NodeSpec& spec);

// One Step a file, named like its id; each makes itself.
std::unique_ptr<Step> make_cuda_extras();
std::unique_ptr<Step> make_driver_load();
std::unique_ptr<Step> make_driver_modules();
std::unique_ptr<Step> make_driver_obstacles();
std::unique_ptr<Step> make_driver_options();
std::unique_ptr<Step> make_driver_services();
std::unique_ptr<Step> make_driver_repository();
std::unique_ptr<Step> make_driver_packages();
std::unique_ptr<Step> make_driver_hold();
std::unique_ptr<Step> make_engine_check();
std::unique_ptr<Step> make_engine_resume();
std::unique_ptr<Step> make_kubernetes_packages();
std::unique_ptr<Step> make_kubernetes_join();
std::unique_ptr<Step> make_kubernetes_node();
std::unique_ptr<Step> make_plugin_service();
std::unique_ptr<Step> make_prep_host();
std::unique_ptr<Step> make_prep_modules();
std::unique_ptr<Step> make_prep_sysctl();
std::unique_ptr<Step> make_prep_swap();
std::unique_ptr<Step> make_prep_time();
std::unique_ptr<Step> make_prep_bundle();
std::unique_ptr<Step> make_prep_repositories();
std::unique_ptr<Step> make_prep_packages();
std::unique_ptr<Step> make_prep_cgroup();
std::unique_ptr<Step> make_prep_proxy();
std::unique_ptr<Step> make_kernel_nouveau();
std::unique_ptr<Step> make_kernel_target();
std::unique_ptr<Step> make_kernel_secureboot();
std::unique_ptr<Step> make_kernel_build();

}  // namespace gpunode::provision
