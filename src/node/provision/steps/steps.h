// All Steps, in the order in which they are done.
#pragma once

#include "node/provision/plan.h"

namespace gpunode::provision {

/// The Steps that make a host what `spec` says; one of each, and those of
/// storage for every entry.
Steps steps_for(const NodeSpec& spec);

// One Step a file, named like its id; each makes itself.
std::unique_ptr<Step> make_engine_resume();
std::unique_ptr<Step> make_prep_host();
std::unique_ptr<Step> make_prep_modules();
std::unique_ptr<Step> make_prep_sysctl();
std::unique_ptr<Step> make_prep_swap();
std::unique_ptr<Step> make_prep_time();
std::unique_ptr<Step> make_prep_packages();
std::unique_ptr<Step> make_prep_cgroup();

}  // namespace gpunode::provision
