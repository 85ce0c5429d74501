#include "node/provision/storage_choice.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "node/provision/layout_identity.h"
#include "node/provision/stable_name.h"
#include "node/provision/wipe_confirmation.h"

namespace gpunode::provision {
namespace {

using facts::DiskFacts;

bool contains(const std::vector<std::string>& list, const std::string& text) {
  return std::ranges::find(list, text) != list.end();
}

/// Every disk with what speaks against it, for a person who looks for the one
/// that was meant. Files as disks, of which a host may have dozens for snaps,
/// and drives without a medium only where a path names such a thing.
std::string disks_seen(const facts::StorageFacts& storage,
                       const facts::DiskFilter& select) {
  std::string text;
  for (const DiskFacts& disk : storage.disks) {
    const bool is_disk = disk.device.subsystem != host::BlockSubsystem::kLoop &&
                         disk.device.size_bytes != 0;
    if (!is_disk && select.path.empty()) continue;
    if (!text.empty()) text += "; ";
    text += host::describe(disk.device);
  }
  return text.empty() ? "no disk" : text;
}

StorageChoice refuse(std::string why, std::string fix) {
  return {.fate = DiskFate::kRefused,
          .disks = {},
          .why = std::move(why),
          .fix = std::move(fix)};
}

bool is_ours(const StorageSpec& entry, const DiskFacts& disk,
             const std::string& uuid) {
  return disk.filesystem == entry.type && disk.uuid == uuid &&
         disk.label == entry.label && disk.entry_types;
}

/// By what the journal knows a disk. A path is another disk's after a boot, but
/// for a loop device that was named.
std::string name_of(const DiskFacts& disk) {
  return std::string(identity_serial(disk.device));
}

const DiskFacts* disk_by_name(const facts::StorageFacts& storage,
                              const std::string& name) {
  const auto found = std::ranges::find(
      storage.disks, name, [](const DiskFacts& disk) -> const std::string& {
        return disk.device.name;
      });
  return found == storage.disks.end() ? nullptr : &*found;
}

bool is_volume(const DiskFacts& disk) {
  return disk.device.subsystem == host::BlockSubsystem::kMd ||
         disk.device.subsystem == host::BlockSubsystem::kDeviceMapper;
}

/// A volume that stands on disks of the entry and on no others.
bool is_on_disks_of(const StorageSpec& entry, const DiskFacts& volume,
                    const facts::StorageFacts& storage) {
  const std::vector<std::string>& slaves = volume.device.slaves;
  return is_volume(volume) && !slaves.empty() &&
         std::ranges::all_of(slaves, [&](const std::string& name) {
           const DiskFacts* disk = disk_by_name(storage, name);
           return disk != nullptr && entry.select.fits(disk->device);
         });
}

/// What an attempt of ours put together of several disks and never finished:
/// each disk by its serial and the UUID that was chosen for it, and nothing
/// stands on them but that.
bool is_unfinished(const DiskFacts& disk, const facts::StorageFacts& storage,
                   const std::string& uuid, const History& history) {
  const auto attempt = history.attempted.find(uuid);
  if (attempt == history.attempted.end()) return false;
  const auto is_member = [&](const DiskFacts& one) {
    return attempt->second.contains(name_of(one)) &&
           is_our_member(one.signatures, uuid, identity_of(one.device)) &&
           one.error.empty();
  };
  if (!is_member(disk)) return false;
  if (!disk.in_use.empty() && disk.volumes.empty()) return false;
  return std::ranges::all_of(disk.volumes, [&](const std::string& name) {
    const DiskFacts* volume = disk_by_name(storage, name);
    if (volume == nullptr || !is_volume(*volume) || !volume->in_use.empty() ||
        !volume->error.empty() ||
        !is_only_filesystem(volume->signatures, uuid)) {
      return false;
    }
    return std::ranges::all_of(
        volume->device.slaves, [&](const std::string& slave) {
          const DiskFacts* other = disk_by_name(storage, slave);
          return other != nullptr && is_member(*other);
        });
  });
}

/// Our file system is on `made`. As long as the journal has it as begun alone,
/// a damage of later would look like a half made one: it is to be told.
StorageChoice made_on(const DiskFacts& made, const facts::StorageFacts& storage,
                      bool is_untold) {
  if (!is_untold) return {.fate = DiskFate::kReady, .disks = {}};
  StorageChoice choice{.fate = DiskFate::kFinish, .disks = {}};
  if (made.device.slaves.empty()) choice.disks = {&made};
  for (const std::string& name : made.device.slaves) {
    choice.disks.push_back(disk_by_name(storage, name));
  }
  choice.proofs.resize(choice.disks.size());
  return choice;
}

/// A loop device over a file, that the kernel gave to us alone for the proof: a
/// live system's root, which may be one too, is taken.
bool is_unused_file(const DiskFacts& disk) {
  return disk.device.subsystem == host::BlockSubsystem::kLoop &&
         !disk.device.backing_file.empty() && disk.was_proved;
}

/// The disk or volume with the entry's own file system; null if none has it.
const DiskFacts* made_disk(const StorageSpec& entry,
                           const facts::StorageFacts& storage,
                           const std::string& uuid) {
  const auto made =
      std::ranges::find_if(storage.disks, [&](const DiskFacts& disk) {
        return is_ours(entry, disk, uuid) &&
               (entry.layout == "single"
                    ? entry.select.fits(disk.device)
                    : is_on_disks_of(entry, disk, storage));
      });
  return made == storage.disks.end() ? nullptr : &*made;
}

/// What was made of these disks is there, whole, and was not started: a boot
/// was quicker than the host's own tools.
bool is_stopped(const std::vector<const DiskFacts*>& disks,
                const std::string& uuid, const History& history) {
  return history.made.contains(uuid) && !history.attempted.contains(uuid) &&
         std::ranges::all_of(disks, [&](const DiskFacts* disk) {
           return disk->in_use.empty() && disk->error.empty() &&
                  is_our_member(disk->signatures, uuid,
                                identity_of(disk->device));
         });
}

std::vector<host::DiskIdentity> identities_of(
    const facts::StorageFacts& storage) {
  std::vector<host::DiskIdentity> all;
  for (const DiskFacts& disk : storage.disks) {
    all.push_back(identity_of(disk.device));
  }
  return all;
}

/// What is on the disk says that it is of our file system, and nothing else is.
bool is_marked_ours(const DiskFacts& disk, const std::string& uuid) {
  if (disk.signatures.empty()) return disk.xfs_uuid == uuid;
  return is_only_filesystem(disk.signatures, uuid);
}

/// Another disk of which the same is known as of `disk`; null if there is none.
const DiskFacts* twin_of(const DiskFacts& disk,
                         const facts::StorageFacts& storage) {
  const auto twin =
      std::ranges::find_if(storage.disks, [&](const DiskFacts& other) {
        return &other != &disk && may_be_same_disk(identity_of(disk.device),
                                                   identity_of(other.device));
      });
  return twin == storage.disks.end() ? nullptr : &*twin;
}

/// What --confirm-wipe names it by.
std::string confirmation_in(const DiskFacts& disk,
                            const facts::StorageFacts& storage) {
  return confirmation_of(identity_of(disk.device), identities_of(storage));
}

bool is_confirmed(const DiskFacts& disk, const facts::StorageFacts& storage,
                  const std::vector<std::string>& confirmed) {
  const std::string name = confirmation_in(disk, storage);
  return !name.empty() && contains(confirmed, name);
}

/// "holds a GPT …" of what a proof says.
std::string_view holding(std::string_view finding) {
  constexpr std::string_view kPrefix = "is not blank: ";
  if (finding.starts_with(kPrefix)) finding.remove_prefix(kPrefix.size());
  return finding;
}

/// The UUID of the file system that the journal has as made and that is on this
/// disk, or that this disk is a member of; "" if there is none. `uuid` itself,
/// the entry's own, only if it is whole: a part of an array that lost others,
/// or what a run that was cut off left, is to be made anew.
std::string made_on_it(const DiskFacts& disk, const std::string& uuid,
                       const History& history) {
  for (const std::string& made : history.made) {
    const bool is_own = made == uuid;
    if (is_own && history.attempted.contains(uuid)) continue;
    const bool is_member =
        !is_own && disk.uuid.empty() &&
        is_our_member(disk.signatures, made, identity_of(disk.device));
    if (disk.uuid == made || is_member) return made;
  }
  return "";
}

std::string how_to_erase(const std::string& name, bool is_licensed) {
  if (is_licensed) {
    return fmt::format(
        "save what is on it; to erase it for good, add "
        "--confirm-wipe={}",
        name);
  }
  return fmt::format(
      "spec.storage[].wipe.confirm names other disks: make `select` fit one of "
      "those; or save what is on this one, add \"{0}\" to the list, and run "
      "with --confirm-wipe={0}",
      name);
}

/// What one disk may be used for. kRefused with why and fix.
StorageChoice judge(const StorageSpec& entry, const DiskFacts& disk,
                    const facts::StorageFacts& storage, const std::string& uuid,
                    const History& history,
                    const std::vector<std::string>& confirmed) {
  const std::string what = host::describe(disk.device);
  if (const DiskFacts* twin = twin_of(disk, storage)) {
    return refuse(
        fmt::format("{} and {} say the same of themselves, serial and WWID "
                    "too: which is which, nobody knows after a boot",
                    what, host::describe(twin->device)),
        "make `select` fit another disk, or take one of the two away");
  }
  if (disk.is_system) {
    return refuse(fmt::format("{} is the system's own disk and is never used: "
                              "it {}",
                              what, disk.in_use),
                  "make `select` fit another disk");
  }
  // Not found as the entry's own: it was made under another name. The data is
  // this node's, and whoever is told of a wipe would do one.
  const std::string ours = made_on_it(disk, uuid, history);
  if (!ours.empty() && !is_confirmed(disk, storage, confirmed)) {
    return refuse(
        fmt::format("{} has the file system {} that gpunode made on this host, "
                    "and \"{}\" would have {} \"{}\" with the UUID {} here",
                    what, ours, entry.id, entry.type, entry.label, uuid),
        "its content is this node's: put back what changed since it was made, "
        "/etc/machine-id, or the entry's id, type, label or layout");
  }
  if (entry.layout != "single" && is_unfinished(disk, storage, uuid, history)) {
    return {.fate = DiskFate::kRemake,
            .disks = {},
            .proofs = {unfinished_proof(uuid)}};
  }
  if (!disk.in_use.empty()) {
    return refuse(fmt::format("{} {}", what, disk.in_use),
                  "free the disk first, or make `select` fit another one");
  }
  if (!disk.error.empty()) {
    return refuse(
        fmt::format("{} could not be looked at: {}", what, disk.error),
        disk.needs_root ? "only root may read disks: run this as root, as with "
                          "sudo"
                        : "what cannot be read may be anything; look at the "
                          "disk");
  }
  if (disk.device.read_only) {
    return refuse(fmt::format("{} is read-only", what),
                  "make `select` fit another disk");
  }
  const auto with_digest = [&](DiskFate fate) {
    return StorageChoice{.fate = fate, .disks = {}, .proofs = {disk.digest}};
  };
  if (disk.is_blank) return with_digest(DiskFate::kMake);
  const std::string name = confirmation_in(disk, storage);
  if (name.empty()) {
    return refuse(
        fmt::format("{} is not blank and has no serial of its own to confirm "
                    "its erasure by: it {}",
                    what, holding(disk.finding)),
        "erase it by hand, or make `select` fit another disk");
  }
  const auto half = history.half_made.find(uuid);
  // That we began says nothing of who wrote since: what is on the disk must say
  // that it is ours. mkfs.xfs writes its superblock, with the UUID, first, and
  // the UUID is in each block that it writes after it.
  const bool was_ours = half != history.half_made.end() &&
                        contains(half->second, name_of(disk)) &&
                        is_marked_ours(disk, uuid);
  if (was_ours) return with_digest(DiskFate::kRemake);
  // A file is copied from host to host and stays: what it says erases nothing,
  // and only keeps a person from confirming another disk than it means.
  const bool is_licensed =
      entry.wipe_serials.empty() || contains(entry.wipe_serials, name);
  if (is_licensed && contains(confirmed, name)) {
    return with_digest(DiskFate::kErase);
  }
  return refuse(
      fmt::format("{} is not blank: it {}", what, holding(disk.finding)),
      how_to_erase(name, is_licensed));
}

}  // namespace

StorageChoice choose_disks(const StorageSpec& entry,
                           const facts::StorageFacts& storage,
                           const std::string& uuid, const History& history,
                           const std::vector<std::string>& confirmed) {
  // What is made is found by itself, whatever other disks came since.
  if (const DiskFacts* made = made_disk(entry, storage, uuid)) {
    return made_on(*made, storage, history.attempted.contains(uuid));
  }
  StorageChoice choice;
  choice.disks = meant_disks(entry, storage, uuid);
  const auto count = static_cast<std::size_t>(entry.count);
  if (choice.disks.size() != count) {
    return refuse(
        fmt::format("{} disk{} fit{} and {} {} asked for; this host has: {}",
                    choice.disks.size(), choice.disks.size() == 1 ? "" : "s",
                    choice.disks.size() == 1 ? "s" : "", count,
                    count == 1 ? "is" : "are",
                    disks_seen(storage, entry.select)),
        "change spec.storage[].select or its count: nothing is guessed");
  }
  // Where the root disk is unknown, any disk might be it; a file is none.
  if (!storage.root_is_known &&
      !std::ranges::all_of(choice.disks, [](const DiskFacts* disk) {
        return is_unused_file(*disk);
      })) {
    return refuse("the disk of / was not found, so none can be told to be free",
                  "install this host to a disk, if it is a live system or has "
                  "its / from the network or in an overlay; or mount disks by "
                  "other means and leave spec.storage out. `gpunode facts "
                  "--export` takes along what was seen, for a report");
  }
  if (entry.layout != "single" && is_stopped(choice.disks, uuid, history)) {
    choice.fate = DiskFate::kStart;
    return choice;
  }
  choice.fate = DiskFate::kMake;
  for (const DiskFacts* disk : choice.disks) {
    StorageChoice one = judge(entry, *disk, storage, uuid, history, confirmed);
    if (one.fate == DiskFate::kRefused) return one;
    choice.fate = std::max(choice.fate, one.fate);
    choice.proofs.push_back(std::move(one.proofs.front()));
  }
  return choice;
}

std::vector<const DiskFacts*> meant_disks(const StorageSpec& entry,
                                          const facts::StorageFacts& storage,
                                          const std::string& uuid) {
  std::vector<const DiskFacts*> disks;
  if (const DiskFacts* made = made_disk(entry, storage, uuid)) {
    disks = {made};
    for (const std::string& name : made->device.slaves) {
      if (const DiskFacts* disk = disk_by_name(storage, name)) {
        disks.push_back(disk);
      }
    }
    return disks;
  }
  for (const DiskFacts& disk : storage.disks) {
    if (entry.select.fits(disk.device)) disks.push_back(&disk);
  }
  return disks;
}

facts::DiskLook look_for_plan(const History& history,
                              const std::vector<std::string>& confirmed) {
  return history.attempted.empty() && confirmed.empty()
             ? facts::DiskLook::kFirst
             : facts::DiskLook::kProof;
}

host::DiskIdentity identity_of(const host::BlockDevice& device) {
  return {device.model, std::string(identity_serial(device)), device.size_bytes,
          device.wwid};
}

std::string_view identity_serial(const host::BlockDevice& device) {
  const bool is_loop = device.subsystem == host::BlockSubsystem::kLoop;
  return device.serial.empty() && is_loop ? device.path : device.serial;
}

std::string storage_uuid(const std::string& machine_id,
                         const std::string& entry) {
  return stable_uuid({"gpunode storage", machine_id, entry});
}

}  // namespace gpunode::provision
