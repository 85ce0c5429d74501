// What the Steps of the kernel share.
#pragma once

#include <string>

#include "node/driver/kernel_target.h"
#include "node/provision/step.h"

namespace gpunode::provision {

/// The kernel that the driver is built for; `blocked` is set where it is not
/// settled.
driver::TargetKernel target_kernel(const PlanInput& input);

/// The driver of the kernel's own that has a GPU or is loaded: "nouveau"; "" if
/// none is. NVIDIA's cannot have a GPU beside it.
std::string other_driver(const facts::HostFacts& host);

/// Wants of other_driver().
void want_other_driver(facts::Wanted& wanted);

}  // namespace gpunode::provision
