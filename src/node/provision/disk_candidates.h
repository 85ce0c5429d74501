// Which disks of a host spec.storage could have, for `gpunode init`.
#pragma once

#include <string>
#include <vector>

#include "node/facts/disks.h"

namespace gpunode::provision {

/// A disk as `gpunode init` tells it.
struct DiskCandidate {
  const facts::DiskFacts* disk = nullptr;  ///< Of the facts.
  /// Why spec.storage would refuse it, completes "disk X …"; "" if it would
  /// not, as far as a first look tells.
  std::string why_not = {};
};

/// The host's disks in the order of names: not loops, nor what is made of
/// disks. Pure.
std::vector<DiskCandidate> disk_candidates(const facts::StorageFacts& storage);

/// Comment lines of a GPUNode file, indented for `spec`: the disks that could
/// be taken, those that can't and why, and an entry of `storage` that would
/// take the former: by class if all that fit it are among them, else by serial.
/// Pure.
std::string storage_comment(const facts::StorageFacts& storage);

}  // namespace gpunode::provision
