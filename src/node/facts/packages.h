// Wanted packages of a host.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "base/host/host_root.h"
#include "node/facts/host_facts.h"
#include "node/facts/wanted.h"

namespace gpunode::facts {

/// Fills `facts.packages` with those installed: by one question to dpkg-query
/// or rpm, whichever the distribution has; of a host mounted elsewhere from
/// dpkg's own status file. Packages that dpkg left half-done are gaps.
void read_wanted_packages(const host::HostRoot& host,
                          host::CommandRunner& runner, const Wanted& wanted,
                          HostFacts& facts);

/// Lines "name<TAB>state<TAB>version".
std::map<std::string, PackageFacts> parse_dpkg_lines(
    std::string_view text, std::vector<std::string>& gaps);

/// Lines "name<TAB>version"; others are of packages that are not installed.
std::map<std::string, PackageFacts> parse_rpm_lines(std::string_view text);

/// What of `wanted` a dpkg status file has.
std::map<std::string, PackageFacts> parse_dpkg_status(
    std::string_view text, const Wanted& wanted,
    std::vector<std::string>& gaps);

}  // namespace gpunode::facts
