#include "base/host/block_device.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::host {
namespace {

using testing::ElementsAre;

std::vector<BlockDevice> listed(const HostTree& host) {
  auto devices = list_block_devices(host.root());
  EXPECT_TRUE(devices) << (devices ? "" : devices.error().message());
  return devices ? *std::move(devices) : std::vector<BlockDevice>();
}

const BlockDevice& named(const std::vector<BlockDevice>& devices,
                         const std::string& name) {
  static const BlockDevice kNone;
  const auto found = std::ranges::find(devices, name, &BlockDevice::name);
  EXPECT_NE(found, devices.end()) << name;
  return found == devices.end() ? kNone : *found;
}

/// sysfs as the kernel lays it out for one NVMe disk with its controller.
void add_nvme(const HostTree& host, const std::string& controller,
              const std::string& disk, const std::string& pci,
              const std::string& dev) {
  const std::string above =
      "sys/devices/pci0000:00/" + pci + "/nvme/" + controller;
  host.file(above + "/model", "Amazon EC2 NVMe Instance Storage        \n");
  host.file(above + "/serial", "AWS22C1A2B3C4D5E6F7A\n");
  host.file(above + "/address", pci + "\n");
  host.link("sys/class/nvme/" + controller,
            "../../devices/pci0000:00/" + pci + "/nvme/" + controller);
  const std::string below = above + "/" + disk;
  host.file(below + "/dev", dev + "\n");
  host.file(below + "/size", "1171875000\n");
  host.file(below + "/ro", "0\n");
  host.file(below + "/removable", "0\n");
  host.file(below + "/wwid", "nvme.1d0f-415753-00000001\n");
  host.file(below + "/queue/logical_block_size", "512\n");
  host.file(below + "/queue/rotational", "0\n");
  host.link(below + "/device", "../../" + controller);
  host.directory(below + "/holders");
  host.directory(below + "/slaves");
  host.link("sys/block/" + disk, "../devices/pci0000:00/" + pci + "/nvme/" +
                                     controller + "/" + disk);
}

TEST(BlockDevice, TellsAnNvmeDiskByItsController) {
  const HostTree host;
  add_nvme(host, "nvme1", "nvme1n1", "0000:00:1f.0", "259:1");
  const auto devices = listed(host);
  ASSERT_EQ(devices.size(), 1U);
  const BlockDevice& disk = devices[0];
  EXPECT_EQ(disk.name, "nvme1n1");
  EXPECT_EQ(disk.path, "/dev/nvme1n1");
  EXPECT_EQ(disk.number, (DeviceNumber{259, 1}));
  EXPECT_EQ(disk.size_bytes, 600000000000U);
  EXPECT_EQ(disk.logical_block_bytes, 512U);
  EXPECT_EQ(disk.subsystem, BlockSubsystem::kNvme);
  EXPECT_EQ(disk.model, "Amazon EC2 NVMe Instance Storage");
  EXPECT_EQ(disk.serial, "AWS22C1A2B3C4D5E6F7A");
  EXPECT_EQ(disk.wwid, "nvme.1d0f-415753-00000001");
  EXPECT_EQ(disk.pci_address, "0000:00:1f.0");
  EXPECT_FALSE(disk.read_only || disk.removable || disk.rotational);
  EXPECT_EQ(describe(disk),
            "Amazon EC2 NVMe Instance Storage, serial AWS22C1A2B3C4D5E6F7A, "
            "558.8 GiB (/dev/nvme1n1)");
}

// The seed's own machine: the instance store was 259:1, the root disk 259:0,
// and nothing promises that for the next boot.
TEST(BlockDevice, IdentityDoesNotFollowTheName) {
  const HostTree before;
  add_nvme(before, "nvme1", "nvme1n1", "0000:00:1f.0", "259:1");
  const HostTree after;
  add_nvme(after, "nvme0", "nvme0n1", "0000:00:1f.0", "259:0");
  const BlockDevice a = listed(before).at(0);
  const BlockDevice b = listed(after).at(0);
  EXPECT_NE(a.name, b.name);
  EXPECT_EQ(a.serial, b.serial);
  EXPECT_EQ(a.model, b.model);
  EXPECT_EQ(a.pci_address, b.pci_address);
}

TEST(BlockDevice, OfSeveralPathsIsToldByTheSubsystem) {
  const HostTree host;
  const std::string subsystem =
      "sys/devices/virtual/nvme-subsystem/nvme-subsys3";
  host.file(subsystem + "/model", "Big Array\n");
  host.file(subsystem + "/serial", "S1\n");
  host.file(subsystem + "/nvme3n1/dev", "259:7\n");
  host.file(subsystem + "/nvme3n1/size", "8\n");
  host.link(subsystem + "/nvme3n1/device", "../../nvme-subsys3");
  host.file("sys/devices/pci0000:00/0000:00:05.0/nvme/nvme5/address",
            "0000:00:05.0\n");
  host.link(subsystem + "/nvme5",
            "../../../pci0000:00/0000:00:05.0/nvme/nvme5");
  host.link("sys/class/nvme/nvme5",
            "../../devices/pci0000:00/0000:00:05.0/nvme/nvme5");
  host.link("sys/block/nvme3n1", "../" + subsystem.substr(4) + "/nvme3n1");
  // A hidden path to the same disk; it has no number.
  host.file("sys/block/nvme3c5n1/size", "8\n");
  const auto devices = listed(host);
  ASSERT_EQ(devices.size(), 1U);
  EXPECT_EQ(devices[0].serial, "S1");
  EXPECT_EQ(devices[0].model, "Big Array");
  EXPECT_EQ(devices[0].pci_address, "0000:00:05.0");
}

// Bundles of facts hold files, and hold the links of sysfs as directories.
TEST(BlockDevice, NeedsNoLinks) {
  const HostTree host{{"sys/block/nvme1n1/dev", "259:1\n"},
                      {"sys/block/nvme1n1/size", "2048\n"},
                      {"sys/class/nvme/nvme1/model", "M 1  \n"},
                      {"sys/class/nvme/nvme1/serial", "  S 1 \n"},
                      {"sys/class/nvme/nvme1/address", "0000:00:1f.0\n"}};
  const BlockDevice disk = listed(host).at(0);
  EXPECT_EQ(disk.model, "M 1");
  EXPECT_EQ(disk.serial, "S 1");
  EXPECT_EQ(disk.pci_address, "0000:00:1f.0");
  EXPECT_EQ(disk.logical_block_bytes, 512U);
}

TEST(BlockDevice, TellsAScsiDiskAndItsSerialPage) {
  const HostTree host{{"sys/block/sda/dev", "8:0\n"},
                      {"sys/block/sda/size", "16\n"},
                      {"sys/block/sda/queue/logical_block_size", "4096\n"},
                      {"sys/block/sda/queue/rotational", "1\n"},
                      {"sys/block/sda/removable", "1\n"},
                      {"sys/block/sda/ro", "1\n"},
                      {"sys/block/sda/device/vendor", "Google  \n"},
                      {"sys/block/sda/device/model", "PersistentDisk  \n"},
                      {"sys/block/sda/device/wwid", "t10.Google  disk-1\n"},
                      {"sys/block/sda/device/vpd_pg80",
                       std::string("\0\x80\0\x08  disk-1tail", 16)}};
  host.directory("sys/bus/scsi");
  host.link("sys/block/sda/device/subsystem", "../../../bus/scsi");
  const BlockDevice disk = listed(host).at(0);
  EXPECT_EQ(disk.subsystem, BlockSubsystem::kScsi);
  EXPECT_EQ(disk.vendor, "Google");
  EXPECT_EQ(disk.model, "PersistentDisk");
  EXPECT_EQ(disk.serial, "disk-1");
  EXPECT_EQ(disk.wwid, "t10.Google  disk-1");
  EXPECT_EQ(disk.logical_block_bytes, 4096U);
  EXPECT_EQ(disk.size_bytes, 8192U);
  EXPECT_TRUE(disk.rotational && disk.removable && disk.read_only);
  EXPECT_EQ(describe(disk),
            "Google PersistentDisk, serial disk-1, 8.0 KiB (/dev/sda)");
}

TEST(BlockDevice, TellsVirtioWithoutItsPciVendor) {
  const HostTree host{{"sys/block/vda/dev", "254:0\n"},
                      {"sys/block/vda/size", "2048\n"},
                      {"sys/block/vda/serial", "root-1"},
                      {"sys/block/vda/device/vendor", "0x1af4\n"}};
  const BlockDevice disk = listed(host).at(0);
  EXPECT_EQ(disk.subsystem, BlockSubsystem::kVirtio);
  EXPECT_EQ(disk.serial, "root-1");
  EXPECT_EQ(disk.vendor, "");
  EXPECT_EQ(describe(disk), "virtio disk, serial root-1, 1.0 MiB (/dev/vda)");
}

TEST(BlockDevice, TellsPartitionsByTheirIndex) {
  const HostTree host{
      {"sys/block/nvme0n1/dev", "259:0\n"},
      {"sys/block/nvme0n1/size", "209715200\n"},
      {"sys/block/nvme0n1/nvme0n1p10/partition", "10\n"},
      {"sys/block/nvme0n1/nvme0n1p10/dev", "259:12\n"},
      {"sys/block/nvme0n1/nvme0n1p2/partition", "2\n"},
      {"sys/block/nvme0n1/nvme0n1p2/dev", "259:4\n"},
      {"sys/block/nvme0n1/nvme0n1p2/start", "2048\n"},
      {"sys/block/nvme0n1/nvme0n1p2/size", "4096\n"},
      {"sys/block/nvme0n1/nvme0n1p2/uevent",
       "MAJOR=259\nPARTN=2\nPARTNAME=EFI System\nPARTUUID=0a-0b\n"}};
  host.directory("sys/block/nvme0n1/nvme0n1p2/holders/dm-0");
  host.directory("sys/block/nvme0n1/queue");
  const BlockDevice disk = listed(host).at(0);
  ASSERT_EQ(disk.partitions.size(), 2U);
  const BlockPartition& second = disk.partitions[0];
  EXPECT_EQ(second.name, "nvme0n1p2");
  EXPECT_EQ(second.path, "/dev/nvme0n1p2");
  EXPECT_EQ(second.number, (DeviceNumber{259, 4}));
  EXPECT_EQ(second.index, 2U);
  EXPECT_EQ(second.start_bytes, 1U << 20U);
  EXPECT_EQ(second.size_bytes, 2U << 20U);
  EXPECT_EQ(second.label, "EFI System");
  EXPECT_EQ(second.uuid, "0a-0b");
  EXPECT_THAT(second.holders, ElementsAre("dm-0"));
  EXPECT_EQ(disk.partitions[1].index, 10U);
}

TEST(BlockDevice, TellsVolumesArraysAndLoops) {
  const HostTree host{{"sys/block/dm-0/dev", "253:0\n"},
                      {"sys/block/dm-0/dm/name", "rocky-root\n"},
                      {"sys/block/dm-0/dm/uuid", "LVM-abc\n"},
                      {"sys/block/md127/dev", "9:127\n"},
                      {"sys/block/md127/md/level", "raid0\n"},
                      {"sys/block/loop3/dev", "7:3\n"},
                      {"sys/block/loop3/loop/backing_file", "/var/x.img\n"},
                      {"sys/block/sdb/dev", "8:16\n"}};
  host.directory("sys/block/dm-0/slaves/sda2");
  host.directory("sys/block/md127/slaves/nvme1n1");
  host.directory("sys/block/md127/slaves/nvme2n1");
  host.directory("sys/block/md127/holders/dm-0");
  host.directory("sys/block/sdb/bcache");
  const auto devices = listed(host);
  EXPECT_EQ(named(devices, "dm-0").subsystem, BlockSubsystem::kDeviceMapper);
  EXPECT_EQ(named(devices, "dm-0").mapped_as, "rocky-root");
  EXPECT_EQ(named(devices, "dm-0").mapped_uuid, "LVM-abc");
  EXPECT_THAT(named(devices, "dm-0").slaves, ElementsAre("sda2"));
  EXPECT_EQ(named(devices, "md127").subsystem, BlockSubsystem::kMd);
  EXPECT_EQ(named(devices, "md127").raid_level, "raid0");
  EXPECT_THAT(named(devices, "md127").slaves,
              ElementsAre("nvme1n1", "nvme2n1"));
  EXPECT_THAT(named(devices, "md127").holders, ElementsAre("dm-0"));
  EXPECT_EQ(named(devices, "loop3").subsystem, BlockSubsystem::kLoop);
  EXPECT_EQ(named(devices, "loop3").backing_file, "/var/x.img");
  EXPECT_TRUE(named(devices, "sdb").bcache_member);
}

TEST(BlockDevice, AreInTheOrderOfTheirNumbers) {
  const HostTree host;
  for (const char* name : {"nvme10n1", "nvme2n1", "nvme2n10", "nvme2n2", "sda",
                           "nvme1n1", "cciss!c0d0"}) {
    host.file(std::string("sys/block/") + name + "/dev", "1:1\n");
  }
  std::vector<std::string> names;
  for (const BlockDevice& device : listed(host)) names.push_back(device.name);
  EXPECT_THAT(names, ElementsAre("cciss/c0d0", "nvme1n1", "nvme2n1", "nvme2n2",
                                 "nvme2n10", "nvme10n1", "sda"));
}

TEST(BlockDevice, HostileTextsAreHarmless) {
  const HostTree host{{"sys/block/sda/dev", "8:0\n"},
                      {"sys/block/sda/size", "-5\n"},
                      {"sys/block/sda/queue/logical_block_size", "0\n"},
                      {"sys/block/sda/device/model", "\x1b[2Jgood\xff\n"},
                      {"sys/block/sda/serial", std::string(5000, 'x')},
                      {"sys/block/sdb/dev", "8:16 and more\n"},
                      {"sys/block/sdc/dev", "\n"}};
  const auto devices = listed(host);
  ASSERT_EQ(devices.size(), 1U);
  EXPECT_EQ(devices[0].model, "\\x1b[2Jgood\\xff");
  EXPECT_EQ(devices[0].size_bytes, 0U);
  EXPECT_EQ(devices[0].logical_block_bytes, 512U);
  EXPECT_EQ(devices[0].serial, "");
  EXPECT_EQ(device_text("a\\x1b"), "a\\x5cx1b");
  EXPECT_EQ(device_text(std::string("\0 a b \0\n", 8)), "a b");
  EXPECT_EQ(device_text(""), "");
}

TEST(BlockDevice, WithoutSysfsIsAnError) {
  const HostTree host;
  const auto devices = list_block_devices(host.root());
  ASSERT_FALSE(devices);
  EXPECT_EQ(devices.error().code(), ErrorCode::kNotFound);
}

TEST(BlockDevice, OfThisMachineAreListed) {
  const auto devices = list_block_devices(HostRoot());
  if (!devices) GTEST_SKIP() << "no /sys/block here";
  for (const BlockDevice& device : *devices) {
    EXPECT_FALSE(device.name.empty());
    EXPECT_TRUE(device.number.is_device()) << device.name;
    for (const BlockPartition& partition : device.partitions) {
      EXPECT_LE(partition.start_bytes + partition.size_bytes, device.size_bytes)
          << partition.name;
    }
  }
}

TEST(BlockDevice, SizesAreForPeople) {
  EXPECT_EQ(size_text(0), "0 bytes");
  EXPECT_EQ(size_text(1023), "1023 bytes");
  EXPECT_EQ(size_text(1024), "1.0 KiB");
  EXPECT_EQ(size_text(600000000000U), "558.8 GiB");
  EXPECT_EQ(size_text((std::uint64_t{1} << 40U) - 1), "1.0 TiB");
  EXPECT_EQ(size_text(UINT64_MAX), "16.0 EiB");
}

TEST(DeviceNumber, IsTwoNumbers) {
  EXPECT_EQ(DeviceNumber::parse("259:1"), (DeviceNumber{259, 1}));
  for (const char* text : {"", ":", "1", "1:", ":1", "1:2:3", "1:2 ", "-1:2",
                           "4294967296:0", "a:b"}) {
    EXPECT_FALSE(DeviceNumber::parse(text)) << text;
  }
  EXPECT_EQ((DeviceNumber{8, 16}).text(), "8:16");
  EXPECT_FALSE((DeviceNumber{0, 31}).is_device());
  EXPECT_LT((DeviceNumber{8, 0}), (DeviceNumber{8, 16}));
}

}  // namespace
}  // namespace gpunode::host
