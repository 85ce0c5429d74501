// What to tell a person whose driver does not answer.
#pragma once

#include <string>

#include "base/host/host_root.h"

namespace gpunode::plugin {

/// One or two sentences from what /proc and sysfs show: no GPU in this
/// machine; a GPU but no kernel module; a module but no library here.
std::string driver_remedy(const host::HostRoot& host_root);

}  // namespace gpunode::plugin
