// The disks of a host and what the kernel has made of them, from sysfs.
//
// Read without udev and without lsblk: both are absent in containers and early
// in a boot, and lsblk shows no file systems where udev has no database. Names
// (nvme1n1) say in which order devices were found and nothing more; a disk is
// told from others by model, serial, WWID or PCI address.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/host/device_number.h"
#include "base/host/host_root.h"

namespace gpunode::host {

/// What kind of driver is behind a block device.
enum class BlockSubsystem {
  kNvme,
  kScsi,  ///< SATA, SAS, USB and most virtual disks too.
  kVirtio,
  kXen,
  kMmc,
  kNetwork,  ///< nbd, rbd, drbd.
  kLoop,
  kMd,
  kDeviceMapper,  ///< LVM, LUKS, multipath: `mapped_as` says which.
  kBcache,
  kMemory,  ///< zram, ram, pmem.
  kOther,
};

/// "nvme", "scsi", "dm", …: one word, as the kernel's names begin.
std::string_view word(BlockSubsystem subsystem);

/// A part of a disk, as the kernel has read it from the partition table.
struct BlockPartition {
  std::string name;  ///< "nvme0n1p2".
  std::string path;  ///< "/dev/nvme0n1p2".
  DeviceNumber number;
  unsigned index = 0;  ///< In the table, from 1.
  std::uint64_t start_bytes = 0;
  std::uint64_t size_bytes = 0;
  std::string label;  ///< The GPT name, "" if there is none.
  std::string uuid;   ///< PARTUUID, where the kernel tells it (6.9 and later).
  std::vector<std::string> holders;

  friend bool operator==(const BlockPartition&,
                         const BlockPartition&) = default;
};

/// A whole block device. Texts that come from the device or from who made a
/// volume are cleaned (device_text()).
struct BlockDevice {
  std::string name;  ///< "nvme1n1"; "cciss/c0d0" is written as below /dev.
  std::string path;  ///< "/dev/nvme1n1".
  DeviceNumber number;
  std::uint64_t size_bytes = 0;  ///< 0: no medium, or a loop without a file.
  unsigned logical_block_bytes = 512;
  bool read_only = false;
  bool removable = false;
  bool rotational = false;
  BlockSubsystem subsystem = BlockSubsystem::kOther;
  std::string vendor;  ///< SCSI alone.
  std::string model;
  std::string serial;
  std::string wwid;         ///< "nvme.1d0f-…", "naa.5000…", "eui.…".
  std::string pci_address;  ///< "0000:00:1f.0" of the controller, or "".
  /// Devices that stand on the whole of this one, by name.
  std::vector<std::string> holders;
  /// Devices that this one stands on, by name: of md, dm, bcache.
  std::vector<std::string> slaves;
  std::vector<BlockPartition> partitions;  ///< By index.
  std::string backing_file;  ///< Of a loop device: its file as it was named.
  std::string mapped_as;     ///< Of dm: the name below /dev/mapper.
  std::string mapped_uuid;  ///< Of dm: "LVM-…", "CRYPT-LUKS2-…", "mpath-…".
  std::string raid_level;      ///< Of md: "raid0"; "" before it is assembled.
  bool bcache_member = false;  ///< Taken by bcache, as cache or as backing.

  friend bool operator==(const BlockDevice&, const BlockDevice&) = default;
};

/// Every block device that has a number, in the order of names with numbers
/// counted (nvme2n1 before nvme10n1). Devices that vanish while they are looked
/// at are left out; hidden paths of multipath NVMe have no number. kNotFound if
/// the host has no /sys/block.
Result<std::vector<BlockDevice>> list_block_devices(const HostRoot& host);

/// What a device says of itself, or somebody who named it, as it may be shown
/// and compared: padding trimmed, every byte that is not printable ASCII as
/// \xNN, a backslash as \x5c, so that different texts stay different.
std::string device_text(std::string_view raw);

/// "558.8 GiB" and the like, for people.
std::string size_text(std::uint64_t bytes);

/// "Amazon EC2 NVMe Instance Storage, serial AWS1234, 558.8 GiB
/// (/dev/nvme1n1)": how a person tells a disk from others.
std::string describe(const BlockDevice& device);

}  // namespace gpunode::host
