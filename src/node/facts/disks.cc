#include "node/facts/disks.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "base/host/blank_proof.h"
#include "base/host/disk_claim.h"
#include "base/host/disk_lineage.h"
#include "base/host/filesystem_superblock.h"

namespace gpunode::facts {
namespace {

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

Result<void> prove(const host::HostRoot& host, host::BlankDepth depth,
                   DiskFacts& disk) {
  TRY(const host::DiskClaim claim,
      host::DiskClaim::take(host, disk.device.path, disk.device.number,
                            host::DiskClaim::Access::kRead));
  TRY(const host::BlankProof proof,
      host::prove_blank(claim.fd(),
                        {disk.device.model, disk.device.serial,
                         disk.device.size_bytes, disk.device.wwid},
                        {.depth = depth}));
  disk.was_proved = true;
  disk.is_blank = proof.is_blank();
  disk.finding = disk.is_blank ? proof.summary() : proof.refusal();
  disk.digest = proof.digest();
  disk.signatures = proof.signatures;
  if (proof.data) disk.xfs_uuid = proof.data->xfs_uuid;
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

Result<void> look_at(const host::HostRoot& host, host::BlankDepth depth,
                     DiskFacts& disk) {
  TRY_VOID(read_filesystem(host, disk));
  if (!disk.volumes.empty()) return read_signatures(host, disk);
  if (!disk.in_use.empty()) return {};
  return prove(host, depth, disk);
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

}  // namespace

StorageFacts observe_disks(const host::HostRoot& host, host::StorageView view,
                           const std::vector<DiskFilter>& filters) {
  const auto lineages = host::disk_lineages(view);
  StorageFacts storage;
  storage.is_known = true;
  storage.root_is_known = host::root_disk_is_known(lineages);
  for (const host::DiskLineage& lineage : lineages) {
    DiskFacts disk{.device = *lineage.device};
    disk.is_system = lineage.is_system();
    disk.in_use = lineage.refusal();
    disk.volumes = volumes_on(lineage);
    const bool is_meant = std::ranges::any_of(
        filters,
        [&](const DiskFilter& filter) { return filter.fits(disk.device); });
    if (is_volume(disk.device) && !filters.empty()) {
      // Made of disks that may fit: what is on it tells whether they are ours.
      if (auto looked = look_at_volume(host, disk); !looked) {
        note_error(looked.error(), disk);
      }
    } else if (is_meant) {
      const host::BlankDepth depth = depth_for(disk.device, filters);
      if (auto looked = look_at(host, depth, disk); !looked) {
        note_error(looked.error(), disk);
      }
    }
    storage.disks.push_back(std::move(disk));
  }
  storage.mounts = std::move(view.mounts);
  return storage;
}

}  // namespace gpunode::facts
