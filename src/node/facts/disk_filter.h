// Which disks are meant, by what does not change.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/host/block_device.h"

namespace gpunode::facts {

/// A disk fits if everything that is given here is true of it.
struct DiskFilter {
  bool cloud_ephemeral = false;  ///< A local disk of a cloud's machine.
  std::string model;             ///< Exact.
  std::vector<std::string> serials;
  std::string path;  ///< A loop device's, for trials: it has no serial.
  std::uint64_t min_size_bytes = 0;
  std::uint64_t max_size_bytes = UINT64_MAX;
  /// Every byte is read before a disk counts as blank, not samples. Says
  /// nothing of whether a disk fits.
  bool full_proof = false;

  /// Loop devices fit by path alone; what is no disk (dm, md, zram, a drive
  /// without a medium) never does.
  bool fits(const host::BlockDevice& device) const;

  friend bool operator==(const DiskFilter&, const DiskFilter&) = default;
};

/// Models of disks that come with a cloud's machine and go with it.
bool is_cloud_ephemeral(std::string_view model);

}  // namespace gpunode::facts
