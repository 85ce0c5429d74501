// Several disks as one: RAID 0 by md, striping by LVM.
#pragma once

#include <functional>
#include <string>

#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "base/host/host_root.h"
#include "node/provision/action.h"

namespace gpunode::provision {

/// Proves every disk blank (or confirmed), puts them together as
/// `action.layout` says and calls `make` with the device that comes of it,
/// which is named by the file system's UUID. What an interrupted run left of
/// the same layout is used.
Result<void> make_layout(
    const host::HostRoot& host, host::CommandRunner& runner,
    const MakeFilesystem& action,
    const std::function<Result<void>(const std::string& device)>& make);

/// Stops the array or volume group of `action`, so that its disks are free.
/// Nothing to do for layout "single", or if it is gone already.
Result<void> take_layout_down(const host::HostRoot& host,
                              host::CommandRunner& runner,
                              const WipeFilesystem& action);

}  // namespace gpunode::provision
