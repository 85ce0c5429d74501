// What NVIDIA's plugin checks before it starts, in its order, with its words.
#pragma once

#include <functional>

#include "agent/config/chosen.h"
#include "agent/config/settings.h"
#include "base/core/result.h"

namespace gpunode::config {

/// Puts the options into their fields of `settings`, whose sharing is already
/// there. `has_nvml` is called only for CDI strategies. Errors begin with
/// "unable to validate flags: ".
Result<void> apply_options(const Chosen& chosen,
                           const std::function<bool()>& has_nvml,
                           Settings& settings);

}  // namespace gpunode::config
