// What there is of storage on a host at one moment: the only reading that
// disk_lineage.h needs.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/host/block_device.h"
#include "base/host/device_number.h"
#include "base/host/host_root.h"
#include "base/host/mount_table.h"
#include "base/host/swap_table.h"

namespace gpunode::host {

/// Devices, and who uses them. A value: may be made from literals.
struct StorageView {
  std::vector<BlockDevice> devices;
  std::vector<Mount> mounts;
  std::vector<Swap> swaps;
  /// /proc/cmdline, which names the root disk where mounts do not.
  std::string kernel_command_line;
  /// Device files that mounts, swaps, loop devices and the kernel's command
  /// line name, links followed: "/dev/mapper/vg-root" → 253:0.
  std::map<std::string, DeviceNumber> device_files;
  /// Devices of mounted btrfs file systems, of which a mount names one alone.
  std::map<DeviceNumber, std::string> btrfs_members;

  friend bool operator==(const StorageView&, const StorageView&) = default;
};

/// Reads sysfs, /proc and the device files that those name, and nothing of any
/// disk. An Error if one of the tables can't be had: without it a disk could
/// look free that is not.
Result<StorageView> read_storage(const HostRoot& host);

/// The device file of root= in a kernel command line, "" if it names none:
/// UUID=x is /dev/disk/by-uuid/x, which is there where udev is.
std::string root_of_command_line(std::string_view line);

}  // namespace gpunode::host
