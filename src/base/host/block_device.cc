#include "base/host/block_device.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/core/ascii.h"
#include "base/host/path.h"

namespace gpunode::host {
namespace {

constexpr std::uint64_t kSectorBytes = 512;  // Of sysfs, whatever the disk's.
constexpr std::size_t kAttributeLimit = 4096;

/// The directory of one device in sysfs.
class DeviceDirectory {
 public:
  DeviceDirectory(const HostRoot& host, std::string path)
      : host_(host), path_(std::move(path)) {}

  /// What an attribute holds; nothing if it is not there or not readable.
  std::optional<std::string> raw(const std::string& name) const {
    auto bytes = host_.read_file(path_ + "/" + name, kAttributeLimit);
    if (!bytes) return std::nullopt;
    return *std::move(bytes);
  }

  std::string text(const std::string& name) const {
    return device_text(raw(name).value_or(""));
  }

  /// The first of several attributes that says something.
  std::string text_of(std::initializer_list<const char*> names) const {
    for (const char* name : names) {
      if (std::string found = text(name); !found.empty()) return found;
    }
    return "";
  }

  std::uint64_t number(const std::string& name) const {
    const std::string written = text(name);
    std::uint64_t value = 0;
    const char* end = written.data() + written.size();
    const auto read = std::from_chars(written.data(), end, value);
    return read.ec == std::errc() && read.ptr == end ? value : 0;
  }

  bool flag(const std::string& name) const { return number(name) != 0; }

  bool has(const std::string& name) const {
    return host_.exists(path_ + "/" + name);
  }

  std::vector<std::string> list(const std::string& name) const {
    auto names = host_.list_directory(path_ + "/" + name);
    if (!names) return {};
    return *std::move(names);
  }

  DeviceDirectory below(const std::string& name) const {
    return {host_, path_ + "/" + name};
  }

  /// Where it is in the tree of devices, links followed; "" if unknown.
  std::string real_path() const {
    auto resolved = host_.resolve(path_);
    return resolved ? *std::move(resolved) : "";
  }

  std::string link_name(const std::string& name) const {
    const auto target = host_.read_link(path_ + "/" + name);
    return target ? std::string(base_name(*target)) : "";
  }

 private:
  const HostRoot& host_;
  std::string path_;
};

/// sysfs writes a slash in a device's name as '!'.
std::string device_name(std::string name) {
  std::ranges::replace(name, '!', '/');
  return name;
}

std::vector<std::string> device_names(std::vector<std::string> names) {
  for (std::string& name : names) name = device_name(std::move(name));
  return names;
}

/// "KEY=" of a uevent file.
std::string uevent_value(const std::string& uevent, const std::string& key) {
  std::size_t at = 0;
  while (at < uevent.size()) {
    const std::size_t end = std::min(uevent.find('\n', at), uevent.size());
    const std::string_view line(uevent.data() + at, end - at);
    if (line.substr(0, key.size()) == key) {
      return device_text(line.substr(key.size()));
    }
    at = end + 1;
  }
  return "";
}

bool is_pci_address(std::string_view text) {
  constexpr std::string_view kForm = "hhhh:hh:hh.h";
  // A domain may have more than four digits (VMD has 10000:).
  if (text.size() < kForm.size()) return false;
  for (const char c : text.substr(0, text.size() - kForm.size())) {
    if (std::isxdigit(static_cast<unsigned char>(c)) == 0) return false;
  }
  text = text.substr(text.size() - kForm.size());
  return std::ranges::equal(text, kForm, [](char c, char form) {
    return form == 'h' ? std::isxdigit(static_cast<unsigned char>(c)) != 0
                       : c == form;
  });
}

/// The last PCI function on the way to a device: its controller.
std::string pci_address_in(std::string_view path) {
  std::string found;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (is_pci_address(part)) found = part;
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  return found;
}

BlockSubsystem subsystem_by_name(std::string_view name) {
  struct Prefix {
    std::string_view text;
    BlockSubsystem subsystem;
  };
  constexpr auto kPrefixes = std::to_array<Prefix>({
      {"nvme", BlockSubsystem::kNvme},
      {"loop", BlockSubsystem::kLoop},
      {"mmcblk", BlockSubsystem::kMmc},
      {"xvd", BlockSubsystem::kXen},
      {"nbd", BlockSubsystem::kNetwork},
      {"rbd", BlockSubsystem::kNetwork},
      {"drbd", BlockSubsystem::kNetwork},
      {"zram", BlockSubsystem::kMemory},
      {"ram", BlockSubsystem::kMemory},
      {"pmem", BlockSubsystem::kMemory},
      {"bcache", BlockSubsystem::kBcache},
      {"md", BlockSubsystem::kMd},
      {"dm-", BlockSubsystem::kDeviceMapper},
      {"vd", BlockSubsystem::kVirtio},
      {"sd", BlockSubsystem::kScsi},
      {"sr", BlockSubsystem::kScsi},
  });
  for (const Prefix& prefix : kPrefixes) {
    if (name.substr(0, prefix.text.size()) == prefix.text) {
      return prefix.subsystem;
    }
  }
  return BlockSubsystem::kOther;
}

/// By what the kernel says; by the name where it says nothing.
BlockSubsystem subsystem_of(const DeviceDirectory& directory,
                            const std::string& name) {
  if (directory.has("dm")) return BlockSubsystem::kDeviceMapper;
  if (directory.has("md")) return BlockSubsystem::kMd;
  const std::string bus = directory.link_name("device/subsystem");
  if (bus == "scsi") return BlockSubsystem::kScsi;
  if (bus == "virtio") return BlockSubsystem::kVirtio;
  if (bus == "xen") return BlockSubsystem::kXen;
  if (bus == "mmc") return BlockSubsystem::kMmc;
  return subsystem_by_name(name);
}

/// A vital product data page of SCSI: four bytes of header, then the text.
std::string vital_page_text(const std::optional<std::string>& page) {
  constexpr std::size_t kHeaderBytes = 4;
  if (!page || page->size() <= kHeaderBytes) return "";
  const auto length =
      (std::size_t{static_cast<unsigned char>((*page)[2])} << 8U) |
      static_cast<unsigned char>((*page)[3]);
  return device_text(std::string_view(*page).substr(kHeaderBytes, length));
}

/// Model, serial and address of NVMe belong to the controller, or to the
/// subsystem where several controllers lead to one disk.
void read_nvme(const HostRoot& host, const DeviceDirectory& directory,
               BlockDevice& device) {
  const DeviceDirectory above = directory.below("device");
  device.model = above.text("model");
  device.serial = above.text("serial");
  std::string address = above.text("address");
  // nvme3n1 is of the controller nvme3 unless there are several paths to it,
  // and then of nvme-subsys3, whose controllers may have any number.
  std::string controller = device.name.substr(0, device.name.find('n', 4));
  for (const std::string& name : directory.list("device")) {
    if (name.rfind("nvme", 0) == 0 && name.find('n', 4) == std::string::npos) {
      controller = name;
      break;
    }
  }
  const DeviceDirectory by_class(host, "/sys/class/nvme/" + controller);
  if (device.model.empty()) device.model = by_class.text("model");
  if (device.serial.empty()) device.serial = by_class.text("serial");
  if (address.empty()) address = by_class.text("address");
  if (is_pci_address(address)) device.pci_address = address;
}

void read_identity(const HostRoot& host, const DeviceDirectory& directory,
                   BlockDevice& device) {
  device.pci_address = pci_address_in(directory.real_path());
  device.wwid = directory.text_of({"wwid", "device/wwid"});
  if (device.subsystem == BlockSubsystem::kNvme) {
    read_nvme(host, directory, device);
    return;
  }
  device.vendor = directory.text("device/vendor");
  // virtio puts PCI ids where SCSI has the maker's name.
  if (device.subsystem != BlockSubsystem::kScsi) device.vendor.clear();
  device.model = directory.text_of({"device/model", "device/name"});
  device.serial = directory.text_of({"serial", "device/serial"});
  if (device.serial.empty()) {
    device.serial = vital_page_text(directory.raw("device/vpd_pg80"));
  }
}

BlockPartition read_partition(const DeviceDirectory& directory,
                              const std::string& name, DeviceNumber number) {
  BlockPartition partition;
  partition.name = device_name(name);
  partition.path = "/dev/" + partition.name;
  partition.number = number;
  partition.index = static_cast<unsigned>(directory.number("partition"));
  partition.start_bytes = directory.number("start") * kSectorBytes;
  partition.size_bytes = directory.number("size") * kSectorBytes;
  const std::string uevent = directory.raw("uevent").value_or("");
  partition.label = uevent_value(uevent, "PARTNAME=");
  partition.uuid = uevent_value(uevent, "PARTUUID=");
  partition.holders = device_names(directory.list("holders"));
  return partition;
}

void read_partitions(const DeviceDirectory& directory,
                     const std::string& sysfs_name, BlockDevice& device) {
  for (const std::string& name : directory.list(".")) {
    if (name.rfind(sysfs_name, 0) != 0) continue;
    const DeviceDirectory below = directory.below(name);
    if (!below.has("partition")) continue;
    const auto number = DeviceNumber::parse(below.text("dev"));
    if (!number) continue;
    device.partitions.push_back(read_partition(below, name, *number));
  }
  std::ranges::sort(device.partitions, {}, &BlockPartition::index);
}

std::optional<BlockDevice> read_device(const HostRoot& host,
                                       const std::string& sysfs_name) {
  const DeviceDirectory directory(host, "/sys/block/" + sysfs_name);
  const auto number = DeviceNumber::parse(directory.text("dev"));
  if (!number) return std::nullopt;
  BlockDevice device;
  device.name = device_name(sysfs_name);
  device.path = "/dev/" + device.name;
  device.number = *number;
  device.size_bytes = directory.number("size") * kSectorBytes;
  if (const auto bytes = directory.number("queue/logical_block_size");
      bytes >= kSectorBytes && bytes <= (std::uint64_t{1} << 20U)) {
    device.logical_block_bytes = static_cast<unsigned>(bytes);
  }
  device.read_only = directory.flag("ro");
  device.removable = directory.flag("removable");
  device.rotational = directory.flag("queue/rotational");
  device.subsystem = subsystem_of(directory, device.name);
  read_identity(host, directory, device);
  device.holders = device_names(directory.list("holders"));
  device.slaves = device_names(directory.list("slaves"));
  read_partitions(directory, sysfs_name, device);
  device.backing_file = directory.text("loop/backing_file");
  device.mapped_as = directory.text("dm/name");
  device.mapped_uuid = directory.text("dm/uuid");
  device.raid_level = directory.text("md/level");
  device.bcache_member =
      device.subsystem != BlockSubsystem::kBcache && directory.has("bcache");
  return device;
}

/// Numbers in names count: nvme2n1 comes before nvme10n1.
bool name_before(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    if (!is_digit(a.front()) || !is_digit(b.front())) {
      if (a.front() != b.front()) return a.front() < b.front();
      a.remove_prefix(1);
      b.remove_prefix(1);
      continue;
    }
    const auto digits = [](std::string_view text) {
      return text.substr(
          0, static_cast<std::size_t>(std::ranges::find_if_not(text, is_digit) -
                                      text.begin()));
    };
    const std::string_view left = digits(a);
    const std::string_view right = digits(b);
    if (left.size() != right.size()) return left.size() < right.size();
    if (left != right) return left < right;
    a.remove_prefix(left.size());
    b.remove_prefix(right.size());
  }
  return a.size() < b.size();
}

}  // namespace

std::string_view word(BlockSubsystem subsystem) {
  switch (subsystem) {
    case BlockSubsystem::kNvme:
      return "nvme";
    case BlockSubsystem::kScsi:
      return "scsi";
    case BlockSubsystem::kVirtio:
      return "virtio";
    case BlockSubsystem::kXen:
      return "xen";
    case BlockSubsystem::kMmc:
      return "mmc";
    case BlockSubsystem::kNetwork:
      return "network";
    case BlockSubsystem::kLoop:
      return "loop";
    case BlockSubsystem::kMd:
      return "md";
    case BlockSubsystem::kDeviceMapper:
      return "dm";
    case BlockSubsystem::kBcache:
      return "bcache";
    case BlockSubsystem::kMemory:
      return "memory";
    case BlockSubsystem::kOther:
      break;
  }
  return "other";
}

Result<std::vector<BlockDevice>> list_block_devices(const HostRoot& host) {
  TRY(std::vector<std::string> names, host.list_directory("/sys/block"));
  std::ranges::sort(names, name_before);
  std::vector<BlockDevice> devices;
  for (const std::string& name : names) {
    if (auto device = read_device(host, name)) {
      devices.push_back(*std::move(device));
    }
  }
  return devices;
}

std::string device_text(std::string_view raw) {
  constexpr std::string_view kPadding{" \t\n\0", 4};
  constexpr const char* kDigits = "0123456789abcdef";
  const std::size_t first = raw.find_first_not_of(kPadding);
  if (first == std::string_view::npos) return "";
  raw = raw.substr(first, raw.find_last_not_of(kPadding) - first + 1);
  std::string shown;
  for (const char c : raw) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && c != '\\') {
      shown += c;
    } else {
      shown += "\\x";
      shown += kDigits[byte >> 4U];
      shown += kDigits[byte & 15U];
    }
  }
  return shown;
}

std::string size_text(std::uint64_t bytes) {
  constexpr std::array kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return std::to_string(bytes) + " bytes";
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (value >= 1023.95 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, kUnits.at(unit));
}

std::string describe(const BlockDevice& device) {
  std::string words;
  if (!device.vendor.empty() && !device.model.empty()) {
    words = device.vendor + " " + device.model;
  } else {
    words = device.model.empty() ? std::string(word(device.subsystem)) + " disk"
                                 : device.model;
  }
  words += device.serial.empty() ? ", no serial" : ", serial " + device.serial;
  words += ", " + size_text(device.size_bytes);
  return words + " (" + device.path + ")";
}

}  // namespace gpunode::host
