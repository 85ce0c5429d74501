#include "node/facts/disks.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "base/core/at_once.h"
#include "base/host/blank_proof.h"
#include "base/host/disk_claim.h"
#include "base/host/disk_lineage.h"
#include "base/host/filesystem_superblock.h"
#include "base/host/first_look.h"
#include "node/facts/disk_look.h"

namespace gpunode::facts {
namespace {

/// Disks that are looked at at a time: each asks for all that it reads before
/// it reads, and has libblkid's memory.
constexpr std::size_t kAtOnce = 3;

Result<void> read_filesystem(const host::HostRoot& host, DiskFacts& disk) {
  TRY(const UniqueFd fd, host.open(disk.device.path, O_RDONLY));
  const auto block = host::read_superblock(fd.get());
  if (!block) return {};  // None, or a damaged one: the proof tells.
  disk.filesystem = host::word(block->type);
  disk.label = block->label;
  disk.uuid = block->uuid;
  disk.entry_types = block->entry_types;
  return {};
}

bool is_volume(const host::BlockDevice& device) {
  return device.size_bytes != 0 &&
         (device.subsystem == host::BlockSubsystem::kMd ||
          device.subsystem == host::BlockSubsystem::kDeviceMapper);
}

Result<host::FirstLook> proof_of(int fd, const host::DiskIdentity& identity,
                                 host::BlankDepth depth, DiskLook look) {
  if (look == DiskLook::kFirst) return host::look_first(fd, identity, depth);
  TRY(host::FirstLook found, host::look_first(fd, identity, depth));
  if (found.is_proof) return found;
  // A blank disk reads the same however closely it was looked at: a run that
  // is gone on with compares it with what its plan saw.
  TRY(host::BlankProof proof,
      host::prove_blank(fd, identity, {.depth = depth}));
  if (proof.is_blank()) return found;
  return host::FirstLook{
      .proof = std::move(proof), .is_proof = true, .promised = depth};
}

Result<void> prove(const host::HostRoot& host, host::BlankDepth depth,
                   DiskLook look, DiskFacts& disk) {
  TRY(const host::DiskClaim claim,
      host::DiskClaim::take(host, disk.device.path, disk.device.number,
                            host::DiskClaim::Access::kRead));
  TRY(const host::FirstLook found,
      proof_of(claim.fd(),
               {disk.device.model, disk.device.serial, disk.device.size_bytes,
                disk.device.wwid},
               depth, look));
  disk.was_proved = true;
  disk.is_blank = found.proof.is_blank();
  disk.finding = found.summary();
  disk.digest = found.digest();
  disk.signatures = found.proof.signatures;
  if (found.proof.data) disk.xfs_uuid = found.proof.data->xfs_uuid;
  return {};
}

/// Whose it is, of a disk that cannot be claimed since a volume stands on it,
/// or of a volume.
Result<void> read_signatures(const host::HostRoot& host, DiskFacts& disk) {
  TRY(const UniqueFd fd, host.open(disk.device.path, O_RDONLY));
  TRY(disk.signatures,
      host::find_disk_signatures(fd.get(), disk.device.size_bytes));
  return {};
}

Result<void> look_at_disk(const host::HostRoot& host, host::BlankDepth depth,
                          DiskLook look, DiskFacts& disk) {
  TRY_VOID(read_filesystem(host, disk));
  if (!disk.volumes.empty()) return read_signatures(host, disk);
  if (!disk.in_use.empty()) return {};
  return prove(host, depth, look, disk);
}

void note_error(const Error& error, DiskFacts& disk) {
  disk.error = error.message();
  disk.needs_root = error.code() == ErrorCode::kPermissionDenied;
}

/// As deep as any filter that it fits asks for.
host::BlankDepth depth_for(const host::BlockDevice& device,
                           const std::vector<DiskFilter>& filters) {
  return std::ranges::any_of(filters,
                             [&](const DiskFilter& filter) {
                               return filter.full_proof && filter.fits(device);
                             })
             ? host::BlankDepth::kFull
             : host::BlankDepth::kSampled;
}

Result<void> look_at_volume(const host::HostRoot& host, DiskFacts& disk) {
  TRY_VOID(read_filesystem(host, disk));
  if (!disk.in_use.empty()) return {};
  return read_signatures(host, disk);
}

/// What stands on the disk, if that is volumes and nothing else.
std::vector<std::string> volumes_on(const host::DiskLineage& lineage) {
  const bool only_volumes =
      std::ranges::all_of(lineage.uses, [](const host::DiskUse& use) {
        return use.kind == host::UseKind::kHolder;
      });
  return only_volumes ? lineage.device->holders : std::vector<std::string>();
}

/// Looks at the disk if a filter means it, or it may be made of such.
void look_at(const host::HostRoot& host, const std::vector<DiskFilter>& filters,
             DiskLook look, DiskFacts& disk) {
  const bool is_meant = std::ranges::any_of(
      filters,
      [&](const DiskFilter& filter) { return filter.fits(disk.device); });
  Result<void> looked;
  if (is_volume(disk.device) && !filters.empty()) {
    // What is on it tells whether its disks are ours.
    looked = look_at_volume(host, disk);
  } else if (is_meant) {
    looked = look_at_disk(host, depth_for(disk.device, filters), look, disk);
  }
  if (!looked) note_error(looked.error(), disk);
}

}  // namespace

StorageFacts observe_disks(const host::HostRoot& host, host::StorageView view,
                           const std::vector<DiskFilter>& filters,
                           DiskLook look) {
  const auto lineages = host::disk_lineages(view);
  StorageFacts storage;
  storage.is_known = true;
  storage.root_is_known = host::root_disk_is_known(lineages);
  for (const host::DiskLineage& lineage : lineages) {
    DiskFacts disk{.device = *lineage.device};
    disk.is_system = lineage.is_system();
    disk.in_use = lineage.refusal();
    disk.volumes = volumes_on(lineage);
    storage.disks.push_back(std::move(disk));
  }
  at_once(storage.disks.size(), kAtOnce, [&](std::size_t i) {
    look_at(host, filters, look, storage.disks[i]);
  });
  storage.mounts = std::move(view.mounts);
  return storage;
}

StorageFacts observe_disks(const host::HostRoot& host, host::StorageView view,
                           const std::vector<DiskFilter>& filters) {
  return observe_disks(host, std::move(view), filters, DiskLook::kFirst);
}

}  // namespace gpunode::facts
