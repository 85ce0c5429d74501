#include "node/provision/disk_actions.h"

#include <fcntl.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/host/blank_proof.h"
#include "base/host/disk_claim.h"
#include "base/host/disk_lineage.h"
#include "base/host/disk_signature.h"
#include "base/host/filesystem_maker.h"
#include "base/host/storage_view.h"
#include "node/provision/disk_eraser.h"
#include "node/provision/disk_layout.h"
#include "node/provision/disk_proof.h"
#include "node/provision/layout_identity.h"
#include "node/provision/layout_members.h"

namespace gpunode::provision {
namespace {

using host::BlockDevice;
using host::DiskClaim;

Error gone(const DiskIdentity& disk, std::string_view how) {
  return {ErrorCode::kUnavailable,
          fmt::format("disk {} {}; nothing was written, plan anew", disk.serial,
                      how)};
}

/// The one disk that fits, whatever stands on it.
Result<host::DiskLineage> find_disk(
    const std::vector<host::DiskLineage>& lineages,
    const DiskIdentity& identity) {
  std::optional<host::DiskLineage> found;
  for (const host::DiskLineage& lineage : lineages) {
    if (!is_disk(*lineage.device, identity)) continue;
    if (found) return gone(identity, "is there twice");
    found = lineage;
  }
  if (!found) return gone(identity, "is not there any more");
  return *std::move(found);
}

host::FilesystemType type_of(const std::string& word) {
  return word == "ext4" ? host::FilesystemType::kExt4
                        : host::FilesystemType::kXfs;
}

/// The file system of `uuid` is on the disk already: a run was cut off between
/// making it and saying so.
bool is_made(const host::HostRoot& host, const BlockDevice& device,
             const MakeFilesystem& action) {
  const auto fd = host.open(device.path, O_RDONLY);
  if (!fd) return false;
  const auto block = host::read_superblock(fd->get());
  if (!block) return false;
  return host::difference({.type = type_of(action.type),
                           .uuid = action.uuid,
                           .label = action.label},
                          *block)
      .empty();
}

/// Kept from erasing what came to the disk after us.
Result<void> check_is_ours(int fd, const BlockDevice& device,
                           const DiskIdentity& identity,
                           const WipeFilesystem& action) {
  TRY(const auto signatures, host::find_disk_signatures(fd, device.size_bytes));
  if (action.layout != "single" &&
      is_our_member(signatures, action.uuid, identity)) {
    return {};
  }
  for (const host::DiskSignature& signature : signatures) {
    if (signature.uuid == action.uuid) continue;
    return Error(ErrorCode::kAlreadyExists,
                 fmt::format("disk {} holds {}, which is not what gpunode made "
                             "there; it is left as it is",
                             device.serial, signature.words));
  }
  if (!signatures.empty()) return {};
  TRY(const host::BlankProof proof,
      host::prove_blank(
          fd, {device.model, device.serial, device.size_bytes, device.wwid},
          {}));
  if (proof.is_blank()) return {};
  return Error(ErrorCode::kAlreadyExists,
               fmt::format("disk {} {}, which is not what gpunode made there; "
                           "it is left as it is",
                           device.serial, proof.refusal()));
}

Result<void> wipe_disk(const host::HostRoot& host, const DiskIdentity& identity,
                       const WipeFilesystem& action) {
  TRY(const host::StorageView view, host::read_storage(host));
  // A disk that went with its machine took what we made with it.
  const bool is_there = std::ranges::any_of(
      view.devices,
      [&](const BlockDevice& device) { return is_disk(device, identity); });
  if (!is_there) return {};
  const auto lineages = host::disk_lineages(view);
  TRY(const host::DiskLineage lineage, find_disk(lineages, identity));
  if (!lineage.is_free()) return gone(identity, lineage.refusal());
  const BlockDevice& device = *lineage.device;
  TRY(DiskClaim claim, DiskClaim::take(host, device.path, device.number,
                                       DiskClaim::Access::kReadWrite));
  TRY_VOID(check_is_ours(claim.fd(), device, identity, action));
  return zero_disk(claim.fd(), device.size_bytes, device.path);
}

}  // namespace

Result<Inverse> DiskActions::prepare(const MakeFilesystem& action) {
  // What was on a disk that is erased is gone; blank it can be made again, if
  // its serial is given once more.
  return Inverse::of(WipeFilesystem{action.disks, action.layout, action.uuid},
                     action.wipe ? Undo::kCompensating : Undo::kExact);
}

Result<void> DiskActions::make_on(DiskClaim& claim,
                                  const MakeFilesystem& action) const {
  // On a volume that was just made anew, of disks whose every sample is blank,
  // one of ours of an earlier attempt may come to light.
  const auto block = host::read_superblock(claim.fd());
  const bool is_ours =
      action.layout != "single" && block && block->uuid == action.uuid;
  TRY_VOID(host::make_filesystem(host_, runner_, claim,
                                 {.type = type_of(action.type),
                                  .uuid = action.uuid,
                                  .label = action.label,
                                  .overwrite = action.wipe || is_ours}));
  return {};
}

Result<bool> DiskActions::is_done(const MakeFilesystem& action) const {
  TRY(const host::StorageView view, host::read_storage(host_));
  TRY(const auto members, find_members(view, action.disks));
  if (members.size() != action.disks.size()) return false;
  const BlockDevice* device = action.layout == "single"
                                  ? members.front().device
                                  : volume_of(view, members);
  return device != nullptr && is_made(host_, *device, action);
}

Result<void> DiskActions::perform(const MakeFilesystem& action) const {
  if (action.disks.empty() ||
      (action.layout == "single" && action.disks.size() != 1)) {
    return Error(ErrorCode::kInvalidArgument,
                 "layout single takes exactly one disk, others at least one");
  }
  TRY(const bool is_there, is_done(action));
  if (is_there) return {};
  if (action.layout == "single") return make_single(action);
  const auto make = [&](const BlockDevice& volume) -> Result<void> {
    TRY(DiskClaim claim, DiskClaim::take(host_, volume.path, volume.number,
                                         DiskClaim::Access::kReadWrite));
    return make_on(claim, action);
  };
  return make_layout(host_, runner_, action, make, watch_);
}

Result<void> DiskActions::make_single(const MakeFilesystem& action) const {
  const DiskIdentity& identity = action.disks.front();
  TRY(const host::StorageView view, host::read_storage(host_));
  const auto lineages = host::disk_lineages(view);
  TRY(const host::DiskLineage lineage, find_disk(lineages, identity));
  if (!lineage.is_free()) return gone(identity, lineage.refusal());
  const BlockDevice& device = *lineage.device;
  TRY(DiskClaim claim, DiskClaim::take(host_, device.path, device.number,
                                       DiskClaim::Access::kReadWrite));
  // One line, as each disk of a layout has.
  const std::string_view planned =
      std::string_view(action.proof).substr(0, action.proof.find('\n'));
  {
    const ProofTeller teller(watch_, device.size_bytes);
    TRY_VOID(prove_as_planned(claim.fd(), identity, planned, action.wipe,
                              teller.part()));
  }
  if (action.wipe) {
    TRY_VOID(erase_signatures(claim.fd(), device.size_bytes, device.path));
  }
  return make_on(claim, action);
}

Result<void> DiskActions::perform(const WipeFilesystem& action) const {
  TRY_VOID(take_layout_down(host_, runner_, action));
  for (const DiskIdentity& disk : action.disks) {
    TRY_VOID(wipe_disk(host_, disk, action));
  }
  return {};
}

}  // namespace gpunode::provision
