// The disks of a host and what is on them.
#pragma once

#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/host/block_device.h"
#include "base/host/disk_signature.h"
#include "base/host/host_root.h"
#include "base/host/mount_table.h"
#include "base/host/storage_view.h"
#include "node/facts/disk_filter.h"

namespace gpunode::facts {

/// What was found on a disk, and how far it was looked at.
struct DiskFacts {
  host::BlockDevice device = {};
  bool is_system = false;   ///< The running system is on it.
  std::string in_use = {};  ///< Completes "disk X …"; empty: nothing known is.

  /// The md and dm devices that stand on it, by name, if nothing else does: no
  /// partition, and nothing that is mounted or swapped to.
  std::vector<std::string> volumes = {};

  /// Of the one xfs or ext4 that fills the disk; empty otherwise.
  std::string filesystem = {};
  std::string label = {};
  std::string uuid = {};
  bool entry_types = false;  ///< Overlays work on it.

  /// Only of disks that fit a filter and are not in use.
  bool was_proved = false;
  bool is_blank = false;
  /// What says that the disk is somebody's, as far as it was proved. Of members
  /// (`volumes`), and of volumes that are not in use, as well.
  std::vector<host::DiskSignature> signatures = {};
  std::string finding = {};  ///< "blank: …" or "holds …".
  std::string digest = {};   ///< Of the proof, to compare with a later one.
  /// Of the xfs whose metadata the first data on it is, where no signature is.
  std::string xfs_uuid = {};

  std::string error = {};   ///< Why it could not be looked at.
  bool needs_root = false;  ///< Of `error`: root may look at it.

  friend bool operator==(const DiskFacts&, const DiskFacts&) = default;
};

struct StorageFacts {
  /// The kernel's tables could be read. If not, no disk is known, and none can
  /// be called free.
  bool is_known = false;
  std::vector<DiskFacts> disks;  ///< Whole devices, in the order of names.
  std::vector<host::Mount> mounts;
  /// The disk of "/" was found among them; if not, none can be called free.
  bool root_is_known = false;

  friend bool operator==(const StorageFacts&, const StorageFacts&) = default;
};

/// What `view` has, with a look at every disk that fits one of `filters`: its
/// signatures, and if it has none, whether it is blank (up to some seconds,
/// reading only). Others are named and not opened.
StorageFacts observe_disks(const host::HostRoot& host, host::StorageView view,
                           const std::vector<DiskFilter>& filters);

}  // namespace gpunode::facts
