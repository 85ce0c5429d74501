#include "base/host/disk_lineage.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "base/host/root_directory.h"

namespace gpunode::host {
namespace {

/// Deeper than any real stack (disk, partition, RAID, LUKS, LVM, bcache, …).
constexpr std::size_t kMostLevels = 16;

/// Without some mount points the host does not run or does not start.
UseKind kind_of_mount(std::string_view point) {
  if (point == "/") return UseKind::kRoot;
  static constexpr std::array<std::string_view, 7> kPoints = {
      "/boot", "/boot/efi", "/efi", "/usr", "/etc", "/var", "/sysroot"};
  return std::ranges::find(kPoints, point) != std::end(kPoints)
             ? UseKind::kSystem
             : UseKind::kMount;
}

/// What kind of thing a device on top of others is, with its name.
std::string device_words(const BlockDevice& device) {
  const std::string& uuid = device.mapped_uuid;
  switch (device.subsystem) {
    case BlockSubsystem::kDeviceMapper: {
      const std::string& name =
          device.mapped_as.empty() ? device.name : device.mapped_as;
      if (uuid.starts_with("LVM-")) return "LVM volume " + name;
      if (uuid.starts_with("CRYPT-")) return "encrypted volume " + name;
      if (uuid.starts_with("mpath-")) return "multipath disk " + name;
      return "mapped device " + name;
    }
    case BlockSubsystem::kMd:
      return (device.raid_level.empty() ? "RAID array "
                                        : device.raid_level + " array ") +
             device.name;
    case BlockSubsystem::kBcache:
      return "cached device " + device.name;
    case BlockSubsystem::kLoop:
      return "loop device " + device.name;
    default:
      return "device " + device.name;
  }
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " and " : ", ";
    text += words[i];
  }
  return text;
}

/// The way from a disk up to where we are.
struct Way {
  std::vector<std::string> names;
  std::vector<std::string> words;

  Way with(const std::string& name, std::string more) const {
    Way longer = *this;
    longer.names.push_back(name);
    longer.words.push_back(std::move(more));
    return longer;
  }
};

/// What one walk up from a disk has found.
struct Walk {
  std::vector<DiskUse> uses;
  std::set<std::string> told;  ///< Words of `uses`.
  std::set<std::string> seen;  ///< Devices, by name.
};

/// Who uses which device number directly.
class Users {
 public:
  explicit Users(const StorageView& view) : view_(view) {
    for (const BlockDevice& device : view.devices) {
      by_name_.emplace(device.name, &device);
    }
    for (const Mount& mount : view.mounts) add_mount(mount);
    for (const Swap& swap : view.swaps) add_swap(swap);
    for (const BlockDevice& device : view.devices) {
      add_members(device);
      // A device over others says so itself where sysfs lacks their holders.
      for (const std::string& slave : device.slaves) {
        holders_[slave].insert(device.name);
      }
      for (const std::string& holder : device.holders) {
        holders_[device.name].insert(holder);
      }
      for (const BlockPartition& partition : device.partitions) {
        holders_[partition.name].insert(partition.holders.begin(),
                                        partition.holders.end());
      }
    }
    add_others();
  }

  std::vector<DiskUse> of(const BlockDevice& disk) const {
    Walk walk;
    walk_device(disk, {}, walk);
    std::ranges::stable_sort(walk.uses, {}, &DiskUse::kind);
    return std::move(walk.uses);
  }

 private:
  struct Direct {
    UseKind kind;
    std::string words;
  };

  void add_mount(const Mount& mount) {
    std::set<DeviceNumber> devices;
    if (mount.device.is_device()) devices.insert(mount.device);
    // btrfs has an anonymous number; its source is one of its devices.
    if (const auto file = view_.device_files.find(mount.source);
        file != view_.device_files.end()) {
      devices.insert(file->second);
    }
    Direct use{kind_of_mount(mount.mount_point),
               "mounted at " + printable(mount.mount_point) + " (" +
                   printable(mount.type) + ")"};
    for (const DeviceNumber device : devices) direct_[device].push_back(use);
  }

  void add_swap(const Swap& swap) {
    if (const auto file = view_.device_files.find(swap.path);
        file != view_.device_files.end()) {
      direct_[file->second].push_back({UseKind::kSwap, "active swap"});
      return;
    }
    const Mount* mount = mount_of(view_.mounts, swap.path);
    if (mount != nullptr && mount->device.is_device()) {
      direct_[mount->device].push_back(
          {UseKind::kSwap, "home of the swap file " + printable(swap.path)});
    }
  }

  void add_members(const BlockDevice& device) {
    if (device.bcache_member) {
      direct_[device.number].push_back({UseKind::kMember, "taken by bcache"});
    }
    if (const auto file = view_.device_files.find(device.backing_file);
        file != view_.device_files.end()) {
      loops_[file->second].push_back(&device);
    }
  }

  void add_others() {
    const std::string root = root_of_command_line(view_.kernel_command_line);
    if (const auto file = view_.device_files.find(root);
        file != view_.device_files.end()) {
      direct_[file->second].push_back(
          {UseKind::kRoot, "the root device of the kernel's command line (" +
                               printable(root) + ")"});
    }
    for (const auto& [number, uuid] : view_.btrfs_members) {
      direct_[number].push_back(
          {UseKind::kMember, "part of the mounted btrfs " + uuid});
    }
  }

  static void add(const Way& way, UseKind kind, std::string words, Walk& walk) {
    if (!way.words.empty()) words += ", through " + joined(way.words);
    // The same file system may be mounted many times over.
    if (!walk.told.insert(words).second) return;
    walk.uses.push_back({kind, way.names, std::move(words)});
  }

  /// What uses one number directly, and what stands on it by name.
  void walk_number(DeviceNumber number, const std::string& name, const Way& way,
                   Walk& walk) const {
    if (const auto found = direct_.find(number); found != direct_.end()) {
      for (const Direct& use : found->second) {
        add(way, use.kind, use.words, walk);
      }
    }
    if (const auto found = loops_.find(number); found != loops_.end()) {
      for (const BlockDevice* loop : found->second) {
        add(way, UseKind::kLoop, "file of the " + device_words(*loop), walk);
        walk_device(*loop, way.with(loop->name, device_words(*loop)), walk);
      }
    }
    const auto found = holders_.find(name);
    if (found == holders_.end()) return;
    for (const std::string& holder : found->second) {
      walk_holder(holder, way, walk);
    }
  }

  void walk_holder(const std::string& holder, const Way& way,
                   Walk& walk) const {
    const auto device = by_name_.find(holder);
    const std::string words = device == by_name_.end()
                                  ? "device " + device_text(holder)
                                  : device_words(*device->second);
    add(way, UseKind::kHolder, "part of " + words, walk);
    if (device == by_name_.end()) return;
    walk_device(*device->second, way.with(holder, words), walk);
  }

  void walk_device(const BlockDevice& device, const Way& way,
                   Walk& walk) const {
    // Once is enough, by whatever way; and a tree that somebody made may have
    // circles, which sysfs has not.
    if (way.names.size() > kMostLevels ||
        !walk.seen.insert(device.name).second) {
      return;
    }
    walk_number(device.number, device.name, way, walk);
    for (const BlockPartition& partition : device.partitions) {
      const std::string label =
          partition.label.empty() ? "" : " \"" + partition.label + "\"";
      add(way, UseKind::kPartition,
          "divided: partition " + partition.name + label + " of " +
              size_text(partition.size_bytes),
          walk);
      walk_number(partition.number, partition.name,
                  way.with(partition.name, "partition " + partition.name),
                  walk);
    }
  }

  const StorageView& view_;
  std::map<std::string, const BlockDevice*> by_name_;
  std::map<DeviceNumber, std::vector<Direct>> direct_;
  std::map<DeviceNumber, std::vector<const BlockDevice*>> loops_;
  std::map<std::string, std::set<std::string>> holders_;
};

}  // namespace

bool DiskLineage::is_system() const {
  return std::ranges::any_of(uses, [](const DiskUse& use) {
    return use.kind == UseKind::kRoot || use.kind == UseKind::kSystem;
  });
}

std::string DiskLineage::refusal() const {
  constexpr std::size_t kTold = 3;
  if (uses.empty()) return "";
  std::string text =
      is_system() ? "is a disk of the running system: " : "is in use: ";
  for (std::size_t i = 0; i < std::min(uses.size(), kTold); ++i) {
    if (i > 0) text += "; ";
    text += uses[i].words;
  }
  if (uses.size() > kTold) {
    text += "; and " + std::to_string(uses.size() - kTold) + " more";
  }
  return text;
}

std::vector<DiskLineage> disk_lineages(const StorageView& view) {
  const Users users(view);
  std::vector<DiskLineage> lineages;
  lineages.reserve(view.devices.size());
  for (const BlockDevice& device : view.devices) {
    lineages.push_back({&device, users.of(device)});
  }
  return lineages;
}

bool root_disk_is_known(const std::vector<DiskLineage>& lineages) {
  return std::ranges::any_of(lineages, [](const DiskLineage& lineage) {
    return std::ranges::any_of(lineage.uses, [](const DiskUse& use) {
      return use.kind == UseKind::kRoot;
    });
  });
}

}  // namespace gpunode::host
