#include "node/provision/wipe_confirmation.h"

#include <algorithm>

namespace gpunode::provision {
namespace {

using host::DiskIdentity;

/// Whether a disk other than `disk` has the same `name`.
bool is_shared(const DiskIdentity& disk, const std::vector<DiskIdentity>& all,
               std::string DiskIdentity::*name) {
  return std::ranges::any_of(all, [&](const DiskIdentity& other) {
    return other.*name == disk.*name && !may_be_same_disk(disk, other);
  });
}

}  // namespace

bool may_be_same_disk(const DiskIdentity& a, const DiskIdentity& b) {
  return a.serial == b.serial && a.model == b.model &&
         a.size_bytes == b.size_bytes &&
         (a.wwid == b.wwid || a.wwid.empty() || b.wwid.empty());
}

std::string confirmation_of(const DiskIdentity& disk,
                            const std::vector<DiskIdentity>& all) {
  if (disk.serial.empty()) return "";
  if (!is_shared(disk, all, &DiskIdentity::serial)) return disk.serial;
  if (disk.wwid.empty()) return "";
  return is_shared(disk, all, &DiskIdentity::wwid) ? "" : disk.wwid;
}

}  // namespace gpunode::provision
