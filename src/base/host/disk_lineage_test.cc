#include "base/host/disk_lineage.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::host {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

BlockDevice disk(const std::string& name, DeviceNumber number,
                 BlockSubsystem subsystem = BlockSubsystem::kNvme) {
  BlockDevice device;
  device.name = name;
  device.path = "/dev/" + name;
  device.number = number;
  device.size_bytes = std::uint64_t{1} << 39U;
  device.subsystem = subsystem;
  return device;
}

BlockPartition partition(const std::string& name, DeviceNumber number) {
  BlockPartition part;
  part.name = name;
  part.path = "/dev/" + name;
  part.number = number;
  part.size_bytes = std::uint64_t{1} << 30U;
  return part;
}

Mount mount(DeviceNumber number, const std::string& point,
            const std::string& type = "xfs", const std::string& source = "") {
  Mount mounted;
  mounted.device = number;
  mounted.mount_point = point;
  mounted.type = type;
  mounted.source = source;
  return mounted;
}

DiskLineage of(const StorageView& view, const std::string& name) {
  for (DiskLineage& lineage : disk_lineages(view)) {
    if (lineage.device->name == name) return lineage;
  }
  ADD_FAILURE() << "no " << name;
  return {};
}

/// The seed's machine: a root disk with LVM, an instance store beside it.
StorageView seed_machine() {
  StorageView view;
  BlockDevice root = disk("nvme0n1", {259, 0});
  root.partitions = {partition("nvme0n1p1", {259, 2}),
                     partition("nvme0n1p2", {259, 3}),
                     partition("nvme0n1p3", {259, 4})};
  root.partitions[2].holders = {"dm-0", "dm-1"};
  BlockDevice volume = disk("dm-0", {253, 0}, BlockSubsystem::kDeviceMapper);
  volume.mapped_as = "rocky-root";
  volume.mapped_uuid = "LVM-x";
  BlockDevice swap = disk("dm-1", {253, 1}, BlockSubsystem::kDeviceMapper);
  swap.mapped_as = "rocky-swap";
  swap.mapped_uuid = "LVM-y";
  view.devices = {root, disk("nvme1n1", {259, 1}), volume, swap};
  view.mounts = {mount({253, 0}, "/"), mount({259, 3}, "/boot"),
                 mount({259, 2}, "/boot/efi", "vfat"), mount({0, 22}, "/sys")};
  view.swaps = {Swap{.path = "/dev/dm-1", .kind = "partition"}};
  view.device_files = {{"/dev/dm-1", {253, 1}}};
  return view;
}

TEST(DiskLineage, TheRootDiskIsTheSystems) {
  const StorageView view = seed_machine();
  const DiskLineage root = of(view, "nvme0n1");
  EXPECT_TRUE(root.is_system());
  EXPECT_THAT(
      root.refusal(),
      testing::StartsWith(
          "is a disk of the running system: mounted at / (xfs), through "
          "partition nvme0n1p3 and LVM volume rocky-root; "));
  EXPECT_THAT(root.uses[0].through, ElementsAre("nvme0n1p3", "dm-0"));
  const auto has = [&](UseKind kind, const std::string& text) {
    return std::ranges::any_of(root.uses, [&](const DiskUse& use) {
      return use.kind == kind && use.words.find(text) != std::string::npos;
    });
  };
  EXPECT_TRUE(has(UseKind::kSystem, "mounted at /boot/efi (vfat)"));
  EXPECT_TRUE(has(UseKind::kSwap, "active swap, through partition nvme0n1p3"));
  EXPECT_TRUE(has(UseKind::kPartition, "partition nvme0n1p1 of 1.0 GiB"));
  EXPECT_TRUE(root_disk_is_known(disk_lineages(view)));
}

TEST(DiskLineage, AnUntouchedDiskIsFree) {
  const StorageView view = seed_machine();
  EXPECT_TRUE(of(view, "nvme1n1").is_free());
  EXPECT_EQ(of(view, "nvme1n1").refusal(), "");
}

// Renumbered: the names changed hands, and so did the words, not the answer.
TEST(DiskLineage, DoesNotTrustNames) {
  StorageView view = seed_machine();
  std::swap(view.devices[0].name, view.devices[1].name);
  EXPECT_TRUE(of(view, "nvme1n1").is_system());
  EXPECT_TRUE(of(view, "nvme0n1").is_free());
}

TEST(DiskLineage, AMountOnTheWholeDiskIsToldInWords) {
  StorageView view = seed_machine();
  view.mounts.push_back(mount({259, 1}, "/var/lib/containerd"));
  // Bind mounts and namespaces repeat it.
  view.mounts.push_back(view.mounts.back());
  EXPECT_EQ(of(view, "nvme1n1").refusal(),
            "is in use: mounted at /var/lib/containerd (xfs)");
  EXPECT_FALSE(of(view, "nvme1n1").is_system());
}

TEST(DiskLineage, AnUnmountedPartitionIsUseEnough) {
  StorageView view = seed_machine();
  view.devices[1].partitions = {partition("nvme1n1p1", {259, 9})};
  view.devices[1].partitions[0].label = "data";
  EXPECT_EQ(of(view, "nvme1n1").refusal(),
            "is in use: divided: partition nvme1n1p1 \"data\" of 1.0 GiB");
}

TEST(DiskLineage, AMemberOfAnArrayIsPartOfIt) {
  StorageView view = seed_machine();
  BlockDevice array = disk("md127", {9, 127}, BlockSubsystem::kMd);
  array.raid_level = "raid0";
  array.slaves = {"nvme1n1", "nvme2n1"};  // No holders below: still its own.
  view.devices.push_back(disk("nvme2n1", {259, 5}));
  view.devices.push_back(array);
  EXPECT_EQ(of(view, "nvme2n1").refusal(),
            "is in use: part of raid0 array md127");
  view.mounts.push_back(mount({9, 127}, "/data"));
  EXPECT_EQ(of(view, "nvme2n1").refusal(),
            "is in use: mounted at /data (xfs), through raid0 array md127; "
            "part of raid0 array md127");
  EXPECT_EQ(of(view, "md127").refusal(), "is in use: mounted at /data (xfs)");
}

TEST(DiskLineage, BtrfsIsFoundByItsSourceAndItsMembers) {
  StorageView view;
  view.devices = {disk("sda", {8, 0}), disk("sdb", {8, 16}),
                  disk("sdc", {8, 32})};
  view.mounts = {mount({0, 40}, "/", "btrfs", "/dev/sda")};
  view.device_files = {{"/dev/sda", {8, 0}}};
  view.btrfs_members = {{{8, 0}, "u-1"}, {{8, 16}, "u-1"}};
  EXPECT_TRUE(of(view, "sda").is_system());
  EXPECT_EQ(of(view, "sdb").refusal(),
            "is in use: part of the mounted btrfs u-1");
  EXPECT_TRUE(of(view, "sdc").is_free());
}

TEST(DiskLineage, TheCommandLineNamesTheRootWhereMountsDoNot) {
  StorageView view;
  view.devices = {disk("sda", {8, 0}), disk("sdb", {8, 16})};
  view.devices[0].partitions = {partition("sda1", {8, 1})};
  view.mounts = {mount({0, 30}, "/", "overlay", "overlay")};
  EXPECT_FALSE(root_disk_is_known(disk_lineages(view)));
  view.kernel_command_line = "quiet root=PARTUUID=ab-01 ro";
  view.device_files = {{"/dev/disk/by-partuuid/ab-01", {8, 1}}};
  EXPECT_TRUE(of(view, "sda").is_system());
  EXPECT_TRUE(of(view, "sdb").is_free());
  EXPECT_TRUE(root_disk_is_known(disk_lineages(view)));
}

TEST(DiskLineage, SwapFilesAndLoopsHoldTheirDisk) {
  StorageView view;
  view.devices = {disk("sda", {8, 0}), disk("sdb", {8, 16}),
                  disk("loop0", {7, 0}, BlockSubsystem::kLoop)};
  view.devices[2].backing_file = "/dev/sdb";
  view.device_files = {{"/dev/sdb", {8, 16}}};
  view.mounts = {mount({8, 0}, "/data"), mount({7, 0}, "/mnt", "ext4")};
  view.swaps = {Swap{.path = "/data/swapfile", .kind = "file"}};
  EXPECT_EQ(of(view, "sda").refusal(),
            "is in use: mounted at /data (xfs); home of the swap file "
            "/data/swapfile");
  EXPECT_EQ(of(view, "sdb").refusal(),
            "is in use: mounted at /mnt (ext4), through loop device loop0; "
            "file of the loop device loop0");
}

TEST(DiskLineage, BcacheAndUnknownHoldersCount) {
  StorageView view;
  view.devices = {disk("sda", {8, 0}), disk("sdb", {8, 16})};
  view.devices[0].bcache_member = true;
  view.devices[1].holders = {"drbd7"};
  EXPECT_EQ(of(view, "sda").refusal(), "is in use: taken by bcache");
  EXPECT_EQ(of(view, "sdb").refusal(), "is in use: part of device drbd7");
}

TEST(DiskLineage, CirclesAndDepthEnd) {
  StorageView view;
  for (int i = 0; i < 20; ++i) {
    BlockDevice device =
        disk("dm-" + std::to_string(i), {253, static_cast<unsigned>(i)},
             BlockSubsystem::kDeviceMapper);
    for (int up = 0; up < 20; ++up) {
      device.holders.push_back("dm-" + std::to_string(up));
    }
    view.devices.push_back(device);
  }
  EXPECT_FALSE(of(view, "dm-0").is_free());
  EXPECT_THAT(of(view, "dm-0").refusal(), HasSubstr(" more"));
}

TEST(DiskLineage, HostileMountPointsAreEscaped) {
  StorageView view;
  view.devices = {disk("sda", {8, 0})};
  view.mounts = {mount({8, 0}, "/a\n\x1b[2J")};
  EXPECT_EQ(of(view, "sda").refusal(),
            "is in use: mounted at /a\\x0a\\x1b[2J (xfs)");
}

TEST(StorageView, ReadsAHost) {
  const HostTree host{
      {"sys/block/sda/dev", "8:0\n"},
      {"sys/fs/btrfs/u-1/devices/sda/dev", "8:0\n"},
      {"sys/fs/btrfs/features/x", "1\n"},
      {"proc/self/mountinfo", "1 0 8:0 / / rw - xfs /dev/sda rw\n"},
      {"proc/swaps", "Filename Type Size Used Priority\n"},
      {"proc/cmdline", "root=/dev/sda\n"}};
  const auto view = read_storage(host.root());
  ASSERT_TRUE(view) << view.error().message();
  EXPECT_EQ(view->devices.size(), 1U);
  EXPECT_EQ(view->mounts.size(), 1U);
  EXPECT_EQ(view->kernel_command_line, "root=/dev/sda\n");
  EXPECT_EQ(view->btrfs_members.at({8, 0}), "u-1");
}

TEST(StorageView, KnowsSwapsWhereThereAreNoDeviceFiles) {
  const HostTree host{{"sys/block/sda/dev", "8:0\n"},
                      {"sys/block/sda/sda3/partition", "3\n"},
                      {"sys/block/sda/sda3/dev", "8:3\n"},
                      {"sys/block/sdb/dev", "8:16\n"},
                      {"sys/block/dm-1/dev", "253:1\n"},
                      {"sys/block/dm-1/dm/name", "vg-swap\n"},
                      {"proc/self/mountinfo", ""},
                      {"proc/swaps",
                       "/dev/sda3 partition 4 0 -2\n"
                       "/dev/sdb partition 4 0 -2\n"
                       "/dev/mapper/vg-swap partition 4 0 -2\n"
                       "/dev/sdc partition 4 0 -2\n"}};
  const auto view = read_storage(host.root());
  ASSERT_TRUE(view) << view.error().message();
  EXPECT_THAT(view->device_files,
              ElementsAre(Pair("/dev/mapper/vg-swap", DeviceNumber{253, 1}),
                          Pair("/dev/sda3", DeviceNumber{8, 3}),
                          Pair("/dev/sdb", DeviceNumber{8, 16})));
  EXPECT_FALSE(of(*view, "sda").is_free());
  EXPECT_FALSE(of(*view, "sdb").is_free());
}

TEST(StorageView, WithoutMountsIsAnError) {
  const HostTree host{{"sys/block/sda/dev", "8:0\n"}};
  EXPECT_FALSE(read_storage(host.root()));
}

TEST(StorageView, TellsTheRootOfACommandLine) {
  EXPECT_EQ(root_of_command_line("root=/dev/sda1"), "/dev/sda1");
  EXPECT_EQ(root_of_command_line("a root=UUID=x-1 b\n"),
            "/dev/disk/by-uuid/x-1");
  EXPECT_EQ(root_of_command_line("root=LABEL=r"), "/dev/disk/by-label/r");
  EXPECT_EQ(root_of_command_line("root=/dev/a root=/dev/b"), "/dev/b");
  EXPECT_EQ(root_of_command_line("root=ZFS=rpool/ROOT"), "");
  EXPECT_EQ(root_of_command_line("nfsroot=/srv quiet"), "");
  EXPECT_EQ(root_of_command_line(""), "");
}

// The machine the tests run on has a root that its disks must show.
TEST(StorageView, OfThisMachineKnowsTheRootDisk) {
  const auto view = read_storage(HostRoot());
  if (!view) GTEST_SKIP() << view.error().message();
  const Mount* root = mount_of(view->mounts, "/");
  if (root == nullptr || !root->device.is_device()) {
    GTEST_SKIP() << "the root of this machine is on no disk";
  }
  EXPECT_TRUE(root_disk_is_known(disk_lineages(*view)));
}

}  // namespace
}  // namespace gpunode::host
