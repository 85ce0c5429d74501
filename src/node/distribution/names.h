// What the table's kinds are called where people read and write them: in
// GPUNode files, in JSON and in words.
#pragma once

#include <string_view>

#include "node/distribution/distribution.h"

namespace gpunode::distribution {

/// "apt", "dnf", "dnf5", "yum", "zypper".
std::string_view name_of(Manager manager);
/// "modular", "plain", "rhel7", "ubuntu", "debian", "suse".
std::string_view name_of(Family family);
/// "supported", "endOfLife", "refused".
std::string_view name_of(Status status);

/// The managers whose commands and files are the same but for their names: dnf,
/// dnf5 and yum are one.
bool is_same_kind(Manager a, Manager b);

/// Whose repositories have packages of that family: apt has Ubuntu's and
/// Debian's, zypper SUSE's, dnf and its kin the others.
bool has_family(Manager manager, Family family);

}  // namespace gpunode::distribution
