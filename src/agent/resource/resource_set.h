// ResourceSet: everything a node offers, derived from what it has.
#pragma once

#include <vector>

#include "agent/config/settings.h"
#include "agent/resource/problem.h"
#include "agent/resource/resource.h"
#include "gpu/device/inventory.h"

namespace gpunode::resource {

struct ResourceSet {
  std::vector<Resource> resources;  ///< By name; none of them is empty.
  Problems problems;                ///< For the log and the metrics.
};

/// Never fails as a whole: what cannot be offered is left out and becomes a
/// Problem (device_groups.h and replication.h say what and when). A GPU that
/// the Inventory lost is a Problem too.
ResourceSet build_resources(const device::Inventory& inventory,
                            const config::Settings& settings);

}  // namespace gpunode::resource
