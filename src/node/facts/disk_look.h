// How closely disks are looked at.
#pragma once

#include <cstdint>
#include <vector>

#include "base/host/host_root.h"
#include "base/host/storage_view.h"
#include "node/facts/disk_filter.h"
#include "node/facts/disks.h"

namespace gpunode::facts {

enum class DiskLook : std::uint8_t {
  /// As far as a plan needs it (base/host/first_look.h): what looks blank is
  /// proved before anything is written to it.
  kFirst,
  /// What looks blank is proved to be at once, up to seconds a disk: for a plan
  /// that is to tell what a first look did not meet.
  kProof,
};

/// observe_disks() of disks.h, looking so closely. Several disks at a time.
StorageFacts observe_disks(const host::HostRoot& host, host::StorageView view,
                           const std::vector<DiskFilter>& filters,
                           DiskLook look);

}  // namespace gpunode::facts
