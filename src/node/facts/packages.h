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

/// dpkg-query's --showformat for its whole list: a line a package.
inline constexpr const char* kDpkgFormat =
    "${Package}\t${Architecture}\t${Version}\t${db:Status-Want}\t"
    "${db:Status-Eflag}\t${db:Status-Status}\t${Installed-Size}\n";

/// rpm's --queryformat for its whole list.
inline constexpr const char* kRpmFormat =
    "%{NAME}\t%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\t%{ARCH}\t"
    "%{SIZE}\t%{INSTALLTIME}\n";

/// What dpkg-query and rpm are asked for their whole list by, of the running
/// host. Of all packages, in the same words for everybody who wants to know
/// any: so is_package_list() tells that once will do.
std::vector<std::string> dpkg_list_argv();
std::vector<std::string> rpm_list_argv(const host::HostRoot& host);

/// Whether `command` is one of the two, which change nothing.
bool is_package_list(const host::Command& command);

/// Fills `facts.packages` with those installed: by one question to dpkg-query
/// or rpm, whichever the distribution has; of a host mounted elsewhere from
/// dpkg's own status file. Packages that dpkg left half-done are gaps.
void read_wanted_packages(const host::HostRoot& host,
                          host::CommandRunner& runner, const Wanted& wanted,
                          HostFacts& facts);

/// What of `wanted` there is in lines of kDpkgFormat; others are passed over.
std::map<std::string, PackageFacts> parse_dpkg_lines(
    std::string_view text, const Wanted& wanted,
    std::vector<std::string>& gaps);

/// What of `wanted` there is in lines of kRpmFormat; others are passed over.
std::map<std::string, PackageFacts> parse_rpm_lines(std::string_view text,
                                                    const Wanted& wanted);

/// A stanza of dpkg's status file (deb-status, dpkg(1)); views of its text.
struct DpkgStanza {
  std::string_view package;
  std::string_view architecture;
  std::string_view version;
  std::string_view status;  ///< "install ok installed": wish, error, state.
};

/// The whole file; what lacks a name or a status is left out.
std::vector<DpkgStanza> dpkg_stanzas(std::string_view text);

/// What of `wanted` a dpkg status file has.
std::map<std::string, PackageFacts> parse_dpkg_status(
    std::string_view text, const Wanted& wanted,
    std::vector<std::string>& gaps);

}  // namespace gpunode::facts
