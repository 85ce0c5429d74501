// Wanted sysctls and modules of the running kernel.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/host/host_root.h"
#include "node/facts/host_facts.h"
#include "node/facts/wanted.h"

namespace gpunode::facts {

/// Fills `facts.sysctls` with those that the kernel has, their line's end off.
void read_wanted_sysctls(const host::HostRoot& host, const Wanted& wanted,
                         HostFacts& facts);

/// Fills `facts.modules`: from /proc/modules, and modules.builtin of
/// `facts.kernel.release`.
void read_wanted_modules(const host::HostRoot& host, const Wanted& wanted,
                         HostFacts& facts);

/// Where sysctl(8) finds a setting: dots are slashes, and slashes are dots, as
/// in net.ipv4.conf.eth0/1.forwarding. Nothing for what is no name.
std::optional<std::string> sysctl_path(std::string_view name);

}  // namespace gpunode::facts
