// What NVIDIA's programs check before they start, in their order, with their
// words.
#pragma once

#include <functional>

#include "agent/config/chosen.h"
#include "agent/config/discovery_settings.h"
#include "agent/config/settings.h"
#include "base/core/result.h"

namespace gpunode::config {

/// Puts the options into their fields of `settings`, whose sharing is already
/// there. `has_nvml` is called only for CDI strategies. Errors begin with
/// "unable to validate flags: ".
Result<void> apply_options(const Chosen& chosen,
                           const std::function<bool()>& has_nvml,
                           Settings& settings);

/// The same for GPU feature discovery; `node` becomes settings.node. Errors
/// begin with whatever the peer's program says first.
Result<void> apply_discovery_options(const Chosen& chosen, Settings& node,
                                     DiscoverySettings& settings);

}  // namespace gpunode::config
