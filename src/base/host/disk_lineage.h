// What stands on each disk: why it may not be touched.
//
// A disk is free only if nothing is known to stand on it: no partition, no
// mount, no swap, no volume or array, nothing of the system's boot. What the
// kernel does not know of (data on the raw device) is for blank_proof.h, and
// whoever holds it open now for O_EXCL.
#pragma once

#include <string>
#include <vector>

#include "base/host/storage_view.h"

namespace gpunode::host {

/// Why a disk is not free.
enum class UseKind {
  kRoot,       ///< "/", or root= of the kernel's command line.
  kSystem,     ///< /boot, /usr, the EFI partition and the like.
  kMount,      ///< Any other mounted file system.
  kSwap,       ///< Swap area, or a file system with a swap file.
  kHolder,     ///< md, dm or another device that stands on it.
  kLoop,       ///< A loop device whose file is this device.
  kMember,     ///< Taken by btrfs or bcache.
  kPartition,  ///< A partition, whatever is in it.
};

/// One thing that stands on a disk.
struct DiskUse {
  UseKind kind = UseKind::kPartition;
  /// The devices in between, from the disk up: {"nvme0n1p2", "dm-0"}.
  std::vector<std::string> through;
  /// "mounted at / (xfs), through partition nvme0n1p2 and LVM volume
  /// rocky-root": completes "the disk is …" or "the disk has …".
  std::string words;

  friend bool operator==(const DiskUse&, const DiskUse&) = default;
};

/// One whole device and everything that stands on it, the gravest first.
struct DiskLineage {
  const BlockDevice* device = nullptr;  ///< Of the view; never null.
  std::vector<DiskUse> uses;

  bool is_free() const { return uses.empty(); }
  /// The running system is on it.
  bool is_system() const;
  /// "is in use: mounted at …; has swap …": completes "disk X …". At most
  /// three uses are told and the rest counted. Empty if the disk is free.
  std::string refusal() const;
};

/// Every device of `view`, which must outlive the result, in its order.
std::vector<DiskLineage> disk_lineages(const StorageView& view);

/// True if a disk of the view was found to be that of "/". Where it was not
/// (a root in memory, an overlay), no disk can be told not to be the system's,
/// which is to be said to the user.
bool root_disk_is_known(const std::vector<DiskLineage>& lineages);

}  // namespace gpunode::host
