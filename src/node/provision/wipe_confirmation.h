// By what a person says which disk may be erased.
#pragma once

#include <string>
#include <vector>

#include "base/host/blank_proof.h"

namespace gpunode::provision {

/// What `--confirm-wipe` names `disk` by: its serial, or where another disk of
/// `all` has the same (namespaces of one controller), its WWID. So one name is
/// one disk. Empty: nothing names this disk alone, and it is never erased.
std::string confirmation_of(const host::DiskIdentity& disk,
                            const std::vector<host::DiskIdentity>& all);

/// As far as both say, they are the same disk. One from before WWIDs were asked
/// for says less.
bool may_be_same_disk(const host::DiskIdentity& a, const host::DiskIdentity& b);

}  // namespace gpunode::provision
