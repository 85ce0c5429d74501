// What a plan saw of a disk, seen again on the disk held open.
#pragma once

#include <string_view>

#include "base/core/result.h"
#include "node/provision/action.h"

namespace gpunode::provision {

/// Proves on `fd`, which nobody else has (DiskClaim), that the disk is as the
/// plan saw it: `planned` is a digest of a proof or of a first look
/// (base/host/first_look.h). What was only looked at is proved now, as deep as
/// was promised, and must be blank. A disk that the plan proved to hold
/// something may do so if `may_hold_data`, its owner's word to erase it.
/// Nothing is written. kUnavailable if it is not so.
Result<void> prove_as_planned(int fd, const DiskIdentity& identity,
                              std::string_view planned, bool may_hold_data);

}  // namespace gpunode::provision
