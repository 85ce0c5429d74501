// Looking at the kernels of a host, at NVIDIA's module for each, and at Secure
// Boot.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/host/command_runner.h"
#include "base/host/host_root.h"
#include "node/facts/host_facts.h"
#include "node/facts/wanted.h"

namespace gpunode::facts {

/// Fills kernels and secure_boot if `wanted` has the driver; facts.os and
/// facts.kernel are known by then. Reads below `host`; modinfo(8) is asked once
/// about all modules there are, of the host that runs alone (a module of
/// another one is told by its path).
void look_at_kernels(const host::HostRoot& host, host::CommandRunner& runner,
                     const Wanted& wanted, HostFacts& facts);

/// What `modinfo FILE...` said, by path. What it says of no file is left out.
std::map<std::string, ModuleFile> parse_modinfo(std::string_view text);

/// CONFIG_CC_VERSION_TEXT of a kernel's configuration; "" if it has none
/// (before Linux 4.18).
std::string compiler_in_config(std::string_view config);

/// The compiler in /proc/version, of any Linux; "" if there is none.
std::string compiler_in_version(std::string_view version);

}  // namespace gpunode::facts
