#include "node/provision/disk_actions.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
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
#include "node/provision/disk_layout.h"
#include "node/provision/storage_choice.h"

namespace gpunode::provision {
namespace {

using host::BlockDevice;
using host::DiskClaim;

bool is_disk(const BlockDevice& device, const DiskIdentity& identity) {
  return identity_serial(device) == identity.serial &&
         device.model == identity.model &&
         device.size_bytes == identity.size_bytes;
}

Error gone(const DiskIdentity& disk, std::string_view how) {
  return {ErrorCode::kUnavailable,
          fmt::format("disk {} {}; nothing was written, plan anew", disk.serial,
                      how)};
}

/// The one disk that fits, if nothing stands on it.
Result<BlockDevice> find_free(const host::StorageView& view,
                              const DiskIdentity& identity) {
  std::optional<BlockDevice> found;
  for (const host::DiskLineage& lineage : host::disk_lineages(view)) {
    if (!is_disk(*lineage.device, identity)) continue;
    if (found) return gone(identity, "is there twice");
    if (!lineage.is_free()) return gone(identity, lineage.refusal());
    found = *lineage.device;
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

/// Proves again what the plan saw, on the claimed disk.
Result<std::string> prove(DiskClaim& claim, const DiskIdentity& identity,
                          bool may_hold_data) {
  // A path is no serial: the proof at plan was made with an empty one.
  DiskIdentity known = identity;
  if (known.serial.starts_with('/')) known.serial.clear();
  TRY(const host::BlankProof proof, host::prove_blank(claim.fd(), known, {}));
  if (!proof.is_blank() && !may_hold_data) {
    return gone(identity, "is no longer blank: it " + proof.refusal());
  }
  return proof.digest() + "\n";
}

/// Kept from erasing what came to the disk after us.
Result<void> check_is_ours(int fd, const BlockDevice& device,
                           const WipeFilesystem& action) {
  TRY(const auto signatures, host::find_disk_signatures(fd, device.size_bytes));
  for (const host::DiskSignature& signature : signatures) {
    const bool is_member =
        action.layout != "single" && (signature.type == "linux_raid_member" ||
                                      signature.type == "LVM2_member");
    if (signature.uuid == action.uuid || is_member) continue;
    return Error(ErrorCode::kAlreadyExists,
                 fmt::format("disk {} holds {}, which is not what gpunode made "
                             "there; it is left as it is",
                             device.serial, signature.words));
  }
  if (!signatures.empty()) return {};
  TRY(const host::BlankProof proof,
      host::prove_blank(fd, {device.model, device.serial, device.size_bytes},
                        {}));
  if (proof.is_blank()) return {};
  return Error(ErrorCode::kAlreadyExists,
               fmt::format("disk {} {}, which is not what gpunode made there; "
                           "it is left as it is",
                           device.serial, proof.refusal()));
}

/// Every byte zero, as cheaply as the disk can.
Result<void> zero(int fd, std::uint64_t size_bytes, const std::string& path) {
  // Piece by piece, so that a stop is noticed and no request is too large.
  constexpr std::uint64_t kPiece = std::uint64_t{1} << 30U;
  for (std::uint64_t at = 0; at < size_bytes; at += kPiece) {
    std::array<std::uint64_t, 2> range = {at,
                                          std::min(kPiece, size_bytes - at)};
    if (::ioctl(fd, BLKZEROOUT, range.data()) != 0) {
      return Error::from_errno("zero " + path, errno);
    }
  }
  if (::fsync(fd) != 0) return Error::from_errno("sync " + path, errno);
  return {};
}

Result<void> wipe_disk(const host::HostRoot& host, const DiskIdentity& identity,
                       const WipeFilesystem& action) {
  TRY(const host::StorageView view, host::read_storage(host));
  // A disk that went with its machine took what we made with it.
  const bool is_there = std::ranges::any_of(
      view.devices,
      [&](const BlockDevice& device) { return is_disk(device, identity); });
  if (!is_there) return {};
  TRY(const BlockDevice device, find_free(view, identity));
  TRY(DiskClaim claim, DiskClaim::take(host, device.path, device.number,
                                       DiskClaim::Access::kReadWrite));
  TRY_VOID(check_is_ours(claim.fd(), device, action));
  TRY_VOID(zero(claim.fd(), device.size_bytes, device.path));
  return {};
}

}  // namespace

Result<Inverse> DiskActions::prepare(const MakeFilesystem& action) {
  // What was on a disk that is erased is gone; blank it can be made again, if
  // its serial is given once more.
  return Inverse::of(WipeFilesystem{action.disks, action.layout, action.uuid},
                     action.wipe ? Undo::kCompensating : Undo::kExact);
}

Result<void> DiskActions::make_on(const std::string& device,
                                  const MakeFilesystem& action) const {
  TRY(DiskClaim claim, DiskClaim::take(host_, device, std::nullopt,
                                       DiskClaim::Access::kReadWrite));
  TRY_VOID(host::make_filesystem(host_, runner_, claim,
                                 {.type = type_of(action.type),
                                  .uuid = action.uuid,
                                  .label = action.label,
                                  .overwrite = action.wipe}));
  return {};
}

Result<void> DiskActions::perform(const MakeFilesystem& action) const {
  if (action.layout != "single") {
    return make_layout(host_, runner_, action, [&](const std::string& device) {
      return make_on(device, action);
    });
  }
  if (action.disks.size() != 1) {
    return Error(ErrorCode::kInvalidArgument,
                 "layout single takes exactly one disk");
  }
  const DiskIdentity& identity = action.disks.front();
  TRY(const host::StorageView view, host::read_storage(host_));
  TRY(const BlockDevice device, find_free(view, identity));
  if (is_made(host_, device, action)) return {};
  TRY(DiskClaim claim, DiskClaim::take(host_, device.path, device.number,
                                       DiskClaim::Access::kReadWrite));
  TRY(const std::string proof, prove(claim, identity, action.wipe));
  if (proof != action.proof) {
    return gone(identity, "is not as the plan saw it");
  }
  TRY_VOID(host::make_filesystem(host_, runner_, claim,
                                 {.type = type_of(action.type),
                                  .uuid = action.uuid,
                                  .label = action.label,
                                  .overwrite = action.wipe}));
  return {};
}

Result<void> DiskActions::perform(const WipeFilesystem& action) const {
  TRY_VOID(take_layout_down(host_, runner_, action));
  for (const DiskIdentity& disk : action.disks) {
    TRY_VOID(wipe_disk(host_, disk, action));
  }
  return {};
}

}  // namespace gpunode::provision
