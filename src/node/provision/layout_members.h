// The disks of an array or volume group of ours, and what stands on them.
#pragma once

#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "base/host/host_root.h"
#include "base/host/storage_view.h"
#include "node/provision/action.h"

namespace gpunode::provision {

/// One disk as it is now; the pointer is into the view that was searched.
struct LayoutMember {
  DiskIdentity identity;
  const host::BlockDevice* device = nullptr;
};

/// It is the disk that was meant, whatever the kernel calls it today.
bool is_disk(const host::BlockDevice& device, const DiskIdentity& identity);

/// Those of `disks` that are there, in their order. An Error if one is there
/// twice.
Result<std::vector<LayoutMember>> find_members(
    const host::StorageView& view, const std::vector<DiskIdentity>& disks);

/// The md or dm device that stands on exactly these disks; null if none does.
const host::BlockDevice* volume_of(const host::StorageView& view,
                                   const std::vector<LayoutMember>& members);

/// mdadm's command line that starts the array of the file system `uuid`, which
/// writes nothing.
std::vector<std::string> assemble_command(std::string_view uuid);

/// Starts what stands on `members`, all disks of a layout, and is not started,
/// so that the kernel shows it and stop_volumes() looks at it: a member's UUID
/// tells who made it, not what somebody put on it since. Nothing is done where
/// nothing can stand on them: the array or group was never whole, or it is
/// started. An Error if it cannot be started. Nothing is written.
Result<void> start_to_look(const host::HostRoot& host,
                           host::CommandRunner& runner,
                           const std::vector<LayoutMember>& members,
                           const std::string& layout, const std::string& uuid);

/// Stops every array and volume that stands on `members`, so that they are
/// free. Only what is ours, by serial and UUID of every disk of it, and in
/// nobody's use, and has nothing on it but the file system `uuid`; anything
/// else is an Error, and nothing was stopped then. Nothing is written.
Result<void> stop_volumes(const host::HostRoot& host,
                          host::CommandRunner& runner,
                          const host::StorageView& view,
                          const std::vector<LayoutMember>& members,
                          const std::string& uuid);

}  // namespace gpunode::provision
