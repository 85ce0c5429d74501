// Which disks an entry of spec.storage gets, and whether they may be used.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "node/facts/disk_look.h"
#include "node/facts/disks.h"
#include "node/provision/action.h"
#include "node/provision/step.h"

namespace gpunode::provision {

/// What is to be done with the disks of one entry.
enum class DiskFate : std::uint8_t {
  kReady,    ///< Our file system is there.
  kFinish,   ///< It is there, and the run that made it could not say so.
  kStart,    ///< It is there on an array or volume that is not started.
  kMake,     ///< Blank.
  kRemake,   ///< Left half made by a run of ours.
  kErase,    ///< Not blank, and their owner confirmed it by serial.
  kRefused,  ///< `why` and `fix` say what stands against it.
};

struct StorageChoice {
  DiskFate fate = DiskFate::kRefused;
  std::vector<const facts::DiskFacts*> disks;  ///< Of the facts; none if ready.
  std::vector<std::string> proofs = {};  ///< Of each disk, for the action.
  std::string why = {};
  std::string fix = {};
};

/// Pure. Exactly as many disks as asked for must fit; each must be free, and
/// blank unless what names it (wipe_confirmation.h) is among `confirmed`, and
/// in the file's wipe list if that has any. Two that cannot be told apart are
/// refused.
StorageChoice choose_disks(const StorageSpec& entry,
                           const facts::StorageFacts& storage,
                           const std::string& uuid, const History& history,
                           const std::vector<std::string>& confirmed);

/// The disks that an entry has, or if it has none yet, that fit it. Of the
/// facts. Pure.
std::vector<const facts::DiskFacts*> meant_disks(
    const StorageSpec& entry, const facts::StorageFacts& storage,
    const std::string& uuid);

/// How closely a plan is to look at disks. A first look does, but where a run
/// tried to make a file system and could not, since then its refusal may have
/// met what that look does not, and where a person confirmed an erasure, who is
/// to be told of what. Pure.
facts::DiskLook look_for_plan(const History& history,
                              const std::vector<std::string>& confirmed);

/// By what a disk is known again.
host::DiskIdentity identity_of(const host::BlockDevice& device);

/// What tells a disk from others of its model: its serial; of a loop device,
/// which has none, its path. May be empty.
std::string_view identity_serial(const host::BlockDevice& device);

/// The UUID of the file system of `entry` on the host with this machine-id: the
/// same before and after a plan, a boot and another instance store.
std::string storage_uuid(const std::string& machine_id,
                         const std::string& entry);

}  // namespace gpunode::provision
