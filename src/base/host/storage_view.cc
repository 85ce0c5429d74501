#include "base/host/storage_view.h"

#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace gpunode::host {
namespace {

std::optional<DeviceNumber> number_of_file(const HostRoot& host,
                                           const std::string& path) {
  const auto status = host.status(path);
  if (!status || status->kind != FileKind::kBlockDevice) return std::nullopt;
  return DeviceNumber{status->device_major, status->device_minor};
}

/// "UUID=x" and the like as the link that udev makes for it.
std::string device_file(std::string_view named) {
  struct Tag {
    std::string_view prefix;
    std::string_view directory;
  };
  constexpr std::array<Tag, 4> kTags = {{
      {"UUID=", "/dev/disk/by-uuid/"},
      {"LABEL=", "/dev/disk/by-label/"},
      {"PARTUUID=", "/dev/disk/by-partuuid/"},
      {"PARTLABEL=", "/dev/disk/by-partlabel/"},
  }};
  for (const Tag& tag : kTags) {
    if (named.starts_with(tag.prefix)) {
      return std::string(tag.directory) +
             std::string(named.substr(tag.prefix.size()));
    }
  }
  return std::string(named);
}

/// The device whose file the kernel would call so. For hosts whose /dev is not
/// there: one mounted elsewhere, or recorded.
std::optional<DeviceNumber> number_of_name(const StorageView& view,
                                           const std::string& path) {
  for (const BlockDevice& device : view.devices) {
    if (device.path == path || (!device.mapped_as.empty() &&
                                path == "/dev/mapper/" + device.mapped_as)) {
      return device.number;
    }
    for (const BlockPartition& partition : device.partitions) {
      if (partition.path == path) return partition.number;
    }
  }
  return std::nullopt;
}

void note_file(const HostRoot& host, const std::string& path,
               StorageView& view) {
  if (!path.starts_with("/") || view.device_files.contains(path)) return;
  auto number = number_of_file(host, path);
  if (!number) number = number_of_name(view, path);
  if (number) view.device_files.emplace(path, *number);
}

void read_btrfs(const HostRoot& host, StorageView& view) {
  const auto systems = host.list_directory("/sys/fs/btrfs");
  if (!systems) return;
  for (const std::string& uuid : *systems) {
    std::string path = "/sys/fs/btrfs/";
    path += uuid;
    path += "/devices";
    const auto members = host.list_directory(path);
    if (!members) continue;
    for (const std::string& name : *members) {
      const auto text =
          host.read_file(fmt::format("{}/{}/dev", path, name), 64);
      if (!text) continue;
      if (const auto number = DeviceNumber::parse(device_text(*text))) {
        view.btrfs_members.emplace(*number, device_text(uuid));
      }
    }
  }
}

}  // namespace

std::string root_of_command_line(std::string_view line) {
  constexpr std::string_view kKey = "root=";
  std::string root;
  while (!line.empty()) {
    const std::size_t end = line.find_first_of(" \t\n");
    const std::string_view word = line.substr(0, end);
    // Of several the kernel takes the last.
    if (word.starts_with(kKey)) root = device_file(word.substr(kKey.size()));
    if (end == std::string_view::npos) break;
    line.remove_prefix(end + 1);
  }
  return root.starts_with("/") ? root : "";
}

Result<StorageView> read_storage(const HostRoot& host) {
  StorageView view;
  TRY(view.devices, list_block_devices(host));
  TRY(view.mounts, read_mount_table(host));
  TRY(view.swaps, read_swap_table(host));
  if (auto line = host.read_file("/proc/cmdline")) {
    view.kernel_command_line = *std::move(line);
  }
  for (const Mount& mount : view.mounts) note_file(host, mount.source, view);
  for (const Swap& swap : view.swaps) note_file(host, swap.path, view);
  for (const BlockDevice& device : view.devices) {
    note_file(host, device.backing_file, view);
  }
  note_file(host, root_of_command_line(view.kernel_command_line), view);
  read_btrfs(host, view);
  return view;
}

}  // namespace gpunode::host
