// What there is of NVIDIA's driver on a host: HostFacts::driver.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/host/host_root.h"
#include "node/facts/host_facts.h"

namespace gpunode::facts {

/// Fills `facts.driver` and `facts.machine.manages_nvlink` from files alone:
/// no program is run and no device opened, so that looking loads no module.
/// Processes are gone through only while a module is loaded.
void look_at_driver(const host::HostRoot& host, HostFacts& facts);

/// Lines of /proc/driver/nvidia/params, "EnableGpuFirmware: 18": by name, with
/// quotes taken off.
std::map<std::string, std::string> parse_module_params(std::string_view text);

/// What DKMS calls a source that has the module nvidia: the name in
/// NVIDIA's packages was "nvidia-open" for the open one up to 570, Debian's own
/// packages say "nvidia-current". Not nvidia-fs and the like.
bool is_driver_source(std::string_view dkms_name);

}  // namespace gpunode::facts
