#include "node/provision/storage_choice.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

namespace gpunode::provision {
namespace {

using facts::DiskFacts;

bool contains(const std::vector<std::string>& list, const std::string& text) {
  return std::ranges::find(list, text) != list.end();
}

/// Every disk with what speaks against it, for a person who looks for the one
/// that was meant.
std::string disks_seen(const facts::StorageFacts& storage) {
  std::string text;
  for (const DiskFacts& disk : storage.disks) {
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

/// What a person confirms an erasure by; empty: such a disk is never erased. A
/// path is another disk's after a boot, but for a loop device that was named.
std::string name_of(const DiskFacts& disk) {
  return std::string(identity_serial(disk.device));
}

/// Nothing on the disk but what a mkfs of ours may have left half made.
bool has_no_foreign_signature(const DiskFacts& disk, const std::string& uuid) {
  return std::ranges::all_of(disk.signatures,
                             [&](const host::DiskSignature& signature) {
                               return signature.uuid == uuid;
                             });
}

/// What one disk may be used for. kRefused with why and fix.
StorageChoice judge(const StorageSpec& entry, const DiskFacts& disk,
                    const std::string& uuid, const History& history,
                    const std::vector<std::string>& confirmed) {
  const std::string what = host::describe(disk.device);
  if (is_ours(entry, disk, uuid))
    return {.fate = DiskFate::kReady, .disks = {}};
  if (disk.is_system) {
    return refuse(fmt::format("{} is the system's own disk and is never used: "
                              "it {}",
                              what, disk.in_use),
                  "make `select` fit another disk");
  }
  if (!disk.in_use.empty()) {
    return refuse(fmt::format("{} {}", what, disk.in_use),
                  "free the disk first, or make `select` fit another one");
  }
  if (!disk.error.empty()) {
    return refuse(
        fmt::format("{} could not be looked at: {}", what, disk.error),
        "what cannot be read may be anything; look at the disk");
  }
  if (disk.device.read_only) {
    return refuse(fmt::format("{} is read-only", what),
                  "make `select` fit another disk");
  }
  if (disk.is_blank) return {.fate = DiskFate::kMake, .disks = {}};
  const std::string name = name_of(disk);
  if (name.empty()) {
    return refuse(
        fmt::format("{} is not blank and has no serial to confirm its "
                    "erasure by: it {}",
                    what, disk.finding),
        "erase it by hand, or make `select` fit another disk");
  }
  const auto half = history.half_made.find(uuid);
  const bool was_ours = half != history.half_made.end() &&
                        contains(half->second, name) &&
                        has_no_foreign_signature(disk, uuid);
  if (was_ours) return {.fate = DiskFate::kErase, .disks = {}};
  // The file's licence is for the first time; a disk that was ours and is
  // damaged since, or is to get another label, needs a person again.
  const bool is_licensed = contains(entry.wipe_serials, name) &&
                           !history.made.contains(uuid) && disk.uuid != uuid;
  if (is_licensed || contains(confirmed, name)) {
    return {.fate = DiskFate::kErase, .disks = {}};
  }
  return refuse(fmt::format("{} is not blank: it {}", what, disk.finding),
                fmt::format("save what is on it; to erase it for good, add "
                            "--confirm-wipe={}",
                            name));
}

}  // namespace

StorageChoice choose_disks(const StorageSpec& entry,
                           const facts::StorageFacts& storage,
                           const std::string& uuid, const History& history,
                           const std::vector<std::string>& confirmed) {
  StorageChoice choice;
  for (const DiskFacts& disk : storage.disks) {
    if (entry.select.fits(disk.device)) choice.disks.push_back(&disk);
  }
  // What is made is found by itself, whatever other disks came since.
  const bool is_made =
      std::ranges::any_of(storage.disks, [&](const DiskFacts& disk) {
        return is_ours(entry, disk, uuid) &&
               (entry.layout != "single" || entry.select.fits(disk.device));
      });
  if (is_made) return {.fate = DiskFate::kReady, .disks = {}};
  const auto count = static_cast<std::size_t>(entry.count);
  if (choice.disks.size() != count) {
    return refuse(
        fmt::format("{} disk{} fit{} and {} {} asked for; this host has: {}",
                    choice.disks.size(), choice.disks.size() == 1 ? "" : "s",
                    choice.disks.size() == 1 ? "s" : "", count,
                    count == 1 ? "is" : "are", disks_seen(storage)),
        "change spec.storage[].select or its count: nothing is guessed");
  }
  // Where the root disk is unknown, any disk might be it. A loop device that
  // was named is not.
  if (!storage.root_is_known && entry.select.path.empty()) {
    return refuse("the disk of / was not found, so none can be told to be free",
                  "name the disks by spec.storage[].select.serials and report "
                  "this host with `gpunode facts --export`");
  }
  choice.fate = DiskFate::kMake;
  for (const DiskFacts* disk : choice.disks) {
    StorageChoice one = judge(entry, *disk, uuid, history, confirmed);
    if (one.fate == DiskFate::kRefused) return one;
    choice.fate = std::max(choice.fate, one.fate);
  }
  return choice;
}

std::string_view identity_serial(const host::BlockDevice& device) {
  const bool is_loop = device.subsystem == host::BlockSubsystem::kLoop;
  return device.serial.empty() && is_loop ? device.path : device.serial;
}

std::string storage_uuid(const std::string& machine_id,
                         const std::string& entry) {
  // FNV-1a twice, from two bases: no secret, only a name that stays the same.
  constexpr std::uint64_t kPrime = 0x100000001b3U;
  constexpr std::array<std::uint64_t, 2> kBases = {0xcbf29ce484222325U,
                                                   0x84222325cbf29ce4U};
  std::array<std::uint64_t, 2> halves{};
  for (std::size_t i = 0; i < halves.size(); ++i) {
    std::uint64_t hash = kBases[i];
    for (const std::string_view part :
         {std::string_view("gpunode storage"), std::string_view(machine_id),
          std::string_view(entry)}) {
      for (const char c : part) {
        hash = (hash ^ static_cast<unsigned char>(c)) * kPrime;
      }
      hash = (hash ^ 0xffU) * kPrime;
    }
    halves[i] = hash;
  }
  // Version 8 (RFC 9562): of our own making; variant 10.
  const std::uint64_t high = (halves[0] & ~0xf000ULL) | 0x8000U;
  const std::uint64_t low =
      (halves[1] & ~(std::uint64_t{3} << 62U)) | (std::uint64_t{2} << 62U);
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32U,
                     (high >> 16U) & 0xffffU, high & 0xffffU, low >> 48U,
                     low & 0xffffffffffffU);
}

}  // namespace gpunode::provision
