// Several disks as one: RAID 0 by md, striping by LVM.
#pragma once

#include <functional>
#include <string>

#include "base/core/result.h"
#include "base/host/block_device.h"
#include "base/host/command_runner.h"
#include "base/host/host_root.h"
#include "node/provision/action.h"
#include "node/provision/work_watch.h"

namespace gpunode::provision {

/// The array or volume that stands on exactly the disks of an action.
using LayoutUse = std::function<Result<void>(const host::BlockDevice& volume)>;

/// Puts the disks of `action` together as its layout says and calls `make` with
/// what comes of it. Each disk is claimed and proved to be as the plan saw it
/// first, all of them before the first is written to, and held until the tool
/// that writes opens it. Where the proof says that an attempt of ours was cut
/// off (layout_identity.h), what is left of it is stopped and made anew: so
/// after a crash anywhere the same comes of it. `watch`, if any, is told how
/// far the proofs are.
Result<void> make_layout(const host::HostRoot& host,
                         host::CommandRunner& runner,
                         const MakeFilesystem& action, const LayoutUse& make,
                         WorkWatch* watch = nullptr);

/// Stops the array or volume group of `action`, so that its disks are free.
/// Nothing to do for layout "single", or if it is gone already. An Error if it
/// is not ours.
Result<void> take_layout_down(const host::HostRoot& host,
                              host::CommandRunner& runner,
                              const WipeFilesystem& action);

}  // namespace gpunode::provision
