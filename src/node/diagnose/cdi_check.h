// The doctor's look at the CDI specs that containers are made from.
#pragma once

#include <span>
#include <string>

#include "base/host/host_root.h"
#include "node/diagnose/finding.h"

namespace gpunode::diagnose {

/// Specs that cannot be read, devices that two files claim, and specs that name
/// files which are no longer there, as after a driver upgrade. Reads the
/// `directories` of `host`.
Findings check_cdi(const host::HostRoot& host,
                   std::span<const std::string> directories);

}  // namespace gpunode::diagnose
