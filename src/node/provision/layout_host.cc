#include "node/provision/layout_host.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/core/unique_fd.h"
#include "base/host/disk_signature.h"
#include "base/host/superblock_bytes.h"
#include "node/provision/layout_identity.h"

namespace gpunode::provision {
namespace {

using host::Completed;

constexpr std::size_t kArrayAt = 4096;
constexpr std::size_t kLabelAt = 512;
constexpr std::size_t kGroupAt = 8192;
constexpr std::size_t kGroupSize = 64;
/// A group without and with its logical volume.
constexpr std::string_view kGroup = "VG ";
constexpr std::string_view kGroupWithVolume = "LV ";

std::string without(std::string text, char c) {
  std::erase(text, c);
  return text;
}

std::string raw(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    text += fmt::format("{:02x}", static_cast<unsigned char>(c));
  }
  return text;
}

/// An md superblock of version 1.2 (linux/raid/md_p.h, mdp_superblock_1).
std::string array_superblock(const std::string& uuid) {
  std::string super(256, '\0');
  host::put_number(super, 0, 4, 0xa92b4efc, false);
  host::put_number(super, 4, 4, 1, false);
  host::put_text(super, 16, raw(without(uuid, ':')));
  host::put_number(super, 92, 4, 2, false);
  host::put_number(super, 144, 8, kArrayAt / 512, false);
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < super.size(); i += 4) {
    std::uint64_t word = 0;
    for (std::size_t j = 4; j > 0; --j) {
      word = word << 8U | static_cast<unsigned char>(super[i + j - 1]);
    }
    sum += word;
  }
  host::put_number(super, 216, 4, (sum & 0xffffffffU) + (sum >> 32U), false);
  return super;
}

/// LVM's label, in the second sector, with the volume's UUID behind it.
std::string volume_label(const std::string& uuid) {
  std::string label(64, '\0');
  host::put_text(label, 0, "LABELONE");
  host::put_number(label, 8, 8, 1, false);
  host::put_number(label, 20, 4, 32, false);
  host::put_text(label, 24, "LVM2 001");
  return label.replace(32, 32, without(uuid, '-'));
}

std::string xfs_of(const std::string& uuid, const std::string& label) {
  std::string bytes = host::xfs_superblock(label);
  host::put_text(bytes, 32, raw(without(uuid, '-')));
  // What libblkid wants to see besides: geometry that fits together.
  host::put_number(bytes, 80, 4, 1, true);      // Realtime extent.
  host::put_number(bytes, 84, 4, 65536, true);  // Blocks of a group.
  host::put_number(bytes, 88, 4, 4, true);      // Groups.
  host::put_number(bytes, 96, 4, 2560, true);   // Blocks of the log.
  host::put_number(bytes, 104, 2, 512, true);   // Bytes of an inode.
  host::put_number(bytes, 106, 2, 8, true);     // Inodes of a block.
  host::put_number(bytes, 120, 4, 0x0c090903, true);
  host::put_number(bytes, 124, 1, 16, true);
  host::put_number(bytes, 127, 1, 25, true);
  host::put_number(bytes, 224, 4, 0, false);
  host::put_number(bytes, 224, 4, ~host::sample_crc32c(bytes.substr(0, 512)),
                   false);
  return bytes;
}

/// The value of "--name=value", or of "--name value".
std::string option(const std::vector<std::string>& argv,
                   const std::string& name) {
  for (std::size_t i = 0; i < argv.size(); ++i) {
    if (argv[i].starts_with(name + "=")) {
      return argv[i].substr(name.size() + 1);
    }
    if (argv[i] == name && i + 1 < argv.size()) return argv[i + 1];
  }
  return "";
}

std::vector<std::string> devices_in(const std::vector<std::string>& argv) {
  std::vector<std::string> devices;
  for (const std::string& word : argv) {
    if (word.starts_with("/dev/nvme")) devices.push_back(word);
  }
  return devices;
}

}  // namespace

LayoutHost::LayoutHost(const std::vector<std::string>& serials) {
  add_disk("sda", "8:0", "SYSTEM");
  mount("8:0", "/dev/sda", "/");
  tree_.file("proc/swaps", "Filename Type Size Used Priority\n");
  tree_.file("usr/sbin/mkfs.xfs", "");
  ::chmod(tree_.path("usr/sbin/mkfs.xfs").c_str(), 0755);
  for (std::size_t i = 0; i < serials.size(); ++i) {
    const std::string name = fmt::format("nvme{}n1", i);
    // A file has no number, and what opens it compares.
    add_disk(name, "0:0", serials[i]);
    devices_.push_back("/dev/" + name);
  }
}

void LayoutHost::add_disk(const std::string& name, const std::string& number,
                          const std::string& serial) const {
  const std::string sys = "sys/block/" + name + "/";
  tree_.file(sys + "dev", number + "\n");
  tree_.file(sys + "size", std::to_string(kDiskBytes / 512) + "\n");
  tree_.file(sys + "device/model", "Model\n");
  tree_.file(sys + "device/serial", serial + "\n");
  tree_.directory(sys + "holders");
  tree_.directory(sys + "slaves");
  tree_.file("dev/" + name, "");
  std::filesystem::resize_file(tree_.path("dev/" + name), kDiskBytes);
}

void LayoutHost::mount(const std::string& number, const std::string& source,
                       const std::string& target) {
  mounts_ +=
      fmt::format("25 1 {} / {} rw - xfs {} rw\n", number, target, source);
  tree_.file("proc/self/mountinfo", mounts_);
}

std::string LayoutHost::bytes(const std::string& device) const {
  std::ifstream file(tree_.path() + device, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string LayoutHost::part(const std::string& device, std::size_t offset,
                             std::size_t size) const {
  const UniqueFd fd(::open((tree_.path() + device).c_str(), O_RDONLY));
  std::string bytes(size, '\0');
  EXPECT_EQ(::pread(fd.get(), bytes.data(), size, static_cast<off_t>(offset)),
            static_cast<ssize_t>(size));
  return bytes;
}

void LayoutHost::put(const std::string& device, std::size_t offset,
                     const std::string& bytes) const {
  std::fstream file(tree_.path() + device,
                    std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(offset));
  file << bytes;
}

bool LayoutHost::done() {
  if (cut_ > 0 && --cut_ == 0) throw PowerCut{};
  return fail_ <= 0 || --fail_ != 0;
}

Completed LayoutHost::answer(bool good, std::string why) const {
  return {.status = good ? 0 : 5, .out = "", .err = std::move(why)};
}

bool LayoutHost::has_volume() const {
  return root().exists("/sys/block/md127") || root().exists("/sys/block/dm-0");
}

bool LayoutHost::is_busy(const std::string& device) const {
  const auto holders =
      root().list_directory("/sys/block/" + device.substr(5) + "/holders");
  return holders && !holders->empty();
}

bool LayoutHost::is_locked(const std::string& device) const {
  const UniqueFd fd(::open((tree_.path() + device).c_str(), O_RDONLY));
  return ::flock(fd.get(), LOCK_SH | LOCK_NB) != 0;
}

void LayoutHost::show_volume(const std::string& name,
                             const std::vector<std::string>& on, bool active,
                             const std::string& file, const std::string& below,
                             const std::string& text) {
  const std::string sys = "sys/block/" + name + "/";
  tree_.file(sys + "dev", "0:0\n");
  tree_.file(sys + "size",
             active ? std::to_string(kDiskBytes / 512) + "\n" : "0\n");
  tree_.file(sys + below, text + "\n");
  tree_.directory(sys + "holders");
  for (const std::string& device : on) {
    const std::string disk = device.substr(5);
    tree_.directory(sys + "slaves/" + disk);
    tree_.directory("sys/block/" + disk + "/holders/" + name);
  }
  if (!root().exists(file)) {
    tree_.file(file.substr(1), "");
    std::filesystem::resize_file(tree_.path() + file, kDiskBytes);
  }
  tree_.directory("dev");
  // What is on the volume stays where it is when the volume is stopped.
  std::error_code ignored;
  std::filesystem::create_hard_link(tree_.path() + file,
                                    tree_.path("dev/" + name), ignored);
}

void LayoutHost::hide_volume(const std::string& name) {
  tree_.remove("sys/block/" + name);
  tree_.remove("dev/" + name);
  for (const std::string& device : devices_) {
    tree_.remove("sys/block/" + device.substr(5) + "/holders/" + name);
  }
}

std::string LayoutHost::uuid_of_array(const std::string& device) const {
  if (part(device, kArrayAt, 4) != "\xfc\x4e\x2b\xa9") return "";
  return hex(part(device, kArrayAt + 16, 16));
}

std::vector<std::string> LayoutHost::members_of_array(
    const std::string& uuid) const {
  std::vector<std::string> members;
  for (const std::string& device : devices_) {
    if (uuid_of_array(device) == uuid) members.push_back(device);
  }
  return members;
}

std::string LayoutHost::group_on(const std::string& device) const {
  if (part(device, kLabelAt, 8) != "LABELONE") return "";
  const std::string text = part(device, kGroupAt, kGroupSize);
  return text.substr(0, text.find('\0'));
}

Completed LayoutHost::create_array(const std::vector<std::string>& argv) {
  const auto devices = devices_in(argv);
  for (const std::string& device : devices) {
    EXPECT_TRUE(is_locked(device)) << device << " is not held";
    if (is_busy(device)) return answer(false, device + " is busy");
  }
  const std::string uuid = option(argv, "--uuid");
  for (const std::string& device : devices) {
    put(device, kArrayAt, array_superblock(uuid));
    if (!done()) return answer(false, "stopped");
  }
  show_volume("md127", devices, true, "/store/md", "md/level", "raid0");
  return answer(done(), "stopped");
}

Completed LayoutHost::start_array(const std::string& uuid) {
  const auto members = members_of_array(without(uuid, ':'));
  if (members.size() != 2) return answer(false, "no such array");
  show_volume("md127", members, true, "/store/md", "md/level", "raid0");
  return answer(done(), "stopped");
}

Completed LayoutHost::make_physical(const std::vector<std::string>& argv) {
  const std::string& device = argv.back();
  EXPECT_TRUE(is_locked(device)) << device << " is not held";
  if (is_busy(device)) return answer(false, device + " is busy");
  const UniqueFd fd(::open((tree_.path() + device).c_str(), O_RDONLY));
  const auto found = host::find_disk_signatures(fd.get(), kDiskBytes);
  if (!found || !found->empty()) return answer(false, "wipe it? [y/n]: [n]");
  put(device, kLabelAt, volume_label(option(argv, "--uuid")));
  return answer(done(), "stopped");
}

Completed LayoutHost::make_group(const std::vector<std::string>& argv) {
  const auto devices = devices_in(argv);
  const std::string name = argv[argv.size() - 1 - devices.size()];
  for (const std::string& device : devices) {
    EXPECT_TRUE(is_locked(device)) << device << " is not held";
    if (!group_on(device).empty()) return answer(false, "in a group already");
  }
  for (const std::string& device : devices) {
    std::string text = std::string(kGroup) + name;
    text.resize(kGroupSize);
    put(device, kGroupAt, text);
    if (!done()) return answer(false, "stopped");
  }
  return answer(true);
}

Completed LayoutHost::make_logical(const std::vector<std::string>& argv) {
  std::vector<std::string> members;
  for (const std::string& device : devices_) {
    if (group_on(device) != std::string(kGroup) + argv.back()) continue;
    EXPECT_TRUE(is_locked(device)) << device << " is not held";
    members.push_back(device);
  }
  if (members.size() != 2) return answer(false, "no such group");
  for (const std::string& device : members) {
    put(device, kGroupAt, std::string(kGroupWithVolume));
    if (!done()) return answer(false, "stopped");
  }
  return activate({"y", argv.back()});
}

Completed LayoutHost::tell_groups(const std::vector<std::string>& argv) const {
  // There is at most one, whose name tells it from others: it is its UUID here.
  Completed said = answer(true);
  for (const std::string& device : devices_in(argv)) {
    const std::string group = group_on(device);
    if (!group.empty()) said.out += "  " + group.substr(3) + "\n";
  }
  return said;
}

Completed LayoutHost::activate(const std::vector<std::string>& argv) {
  if (std::ranges::find(argv, "n") != argv.end()) return stop("dm-0");
  constexpr std::string_view kByUuid = "vg_uuid=";
  const bool by_uuid = argv.back().starts_with(kByUuid);
  const std::string name =
      by_uuid ? argv.back().substr(kByUuid.size()) : argv.back();
  std::vector<std::string> members;
  for (const std::string& device : devices_) {
    if (group_on(device) == std::string(kGroupWithVolume) + name) {
      members.push_back(device);
    }
  }
  // A group without a volume of its own has nothing to start.
  if (members.size() != 2) return answer(by_uuid, "no such volume");
  show_volume("dm-0", members, true, "/store/lv", "dm/uuid",
              "LVM-" + std::string(64, 'g'));
  tree_.file("sys/block/dm-0/dm/name", name + "-" + name + "\n");
  return answer(done(), "stopped");
}

Completed LayoutHost::stop(const std::string& volume) {
  if (!root().exists("/sys/block/" + volume)) return answer(false, "absent");
  hide_volume(volume);
  return answer(done(), "stopped");
}

Completed LayoutHost::make_filesystem(const std::vector<std::string>& argv) {
  const std::string device = argv.back().substr(tree_.path().size());
  const bool forced = std::ranges::find(argv, "-f") != argv.end();
  const UniqueFd fd(::open(argv.back().c_str(), O_RDONLY));
  const auto found = host::find_disk_signatures(fd.get(), kDiskBytes);
  if (!forced && (!found || !found->empty())) return answer(false, "use -f");
  std::string uuid;
  for (const std::string& word : argv) {
    if (word.starts_with("uuid=")) uuid = word.substr(5);
  }
  // The data comes before the superblock, as from a cache. It says whose it is
  // (base/host/xfs_block.h).
  std::string group(512, '\0');
  host::put_text(group, 0, "XAGF");
  host::put_text(group, 64, raw(without(uuid, '-')));
  put(device, kDiskBytes / 2, group);
  if (!done()) return answer(false, "stopped");
  put(device, 0, xfs_of(uuid, option(argv, "-L")));
  return answer(done(), "stopped");
}

Result<Completed> LayoutHost::run(const host::Command& command) {
  const std::vector<std::string>& argv = command.argv;
  lines_.push_back(host::command_line(command));
  const std::string name = argv[0].substr(argv[0].rfind('/') + 1);
  if (!done()) return answer(false, "did not start");
  if (name == "mdadm" && argv[1] == "--create") return create_array(argv);
  if (name == "mdadm" && argv[1] == "--stop") return stop(argv[2].substr(5));
  if (name == "mdadm" && argv[1] == "--assemble") {
    return start_array(option(argv, "--uuid"));
  }
  if (name == "pvcreate") return make_physical(argv);
  if (name == "vgcreate") return make_group(argv);
  if (name == "lvcreate") return make_logical(argv);
  if (name == "vgchange") return activate(argv);
  if (name == "pvs") return tell_groups(argv);
  if (name == "mkfs.xfs") return make_filesystem(argv);
  ADD_FAILURE() << "unknown: " << lines_.back();
  return answer(false, "unknown program");
}

void LayoutHost::boot(Starter starter) {
  cut_ = -1;
  hide_volume("md127");
  hide_volume("dm-0");
  if (starter == Starter::kNobody) return;
  for (const std::string& device : devices_) {
    const std::string uuid = uuid_of_array(device);
    const auto members = members_of_array(uuid);
    if (uuid.empty() || root().exists("/sys/block/md127")) continue;
    if (members.size() == 2) {
      start_array(uuid);
    } else if (starter == Starter::kIncomplete) {
      show_volume("md127", members, false, "/store/md", "md/level", "raid0");
    }
  }
  const std::string group = group_on(devices_.front());
  if (group.starts_with(kGroupWithVolume)) activate({"y", group.substr(3)});
}

void LayoutHost::make_foreign_array(const std::string& name,
                                    const std::vector<std::string>& devices,
                                    const std::string& uuid) {
  for (const std::string& device : devices) {
    put(device, kArrayAt, array_superblock(uuid));
  }
  show_volume(name, devices, true, "/store/foreign", "md/level", "raid0");
}

}  // namespace gpunode::provision
