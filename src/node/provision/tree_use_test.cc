#include "node/provision/tree_use.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::provision {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kPath = "/var/lib/containerd";

std::vector<host::Mount> mounts(std::string_view more) {
  std::string text = "20 1 259:1 / / rw - xfs /dev/nvme0n1p1 rw\n";
  auto table = host::parse_mount_table(text.append(more));
  EXPECT_TRUE(table) << table.error().message();
  return table ? *table : std::vector<host::Mount>();
}

constexpr std::string_view kRootfs =
    "90 20 0:50 / /run/containerd/io.containerd.runtime.v2.task/k8s.io/a/rootfs"
    " rw - overlay overlay rw,";

std::string overlay(std::string_view options) {
  return std::string(kRootfs) + std::string(options) + "\n";
}

TEST(TreeUse, AHostWithoutContainersUsesNothing) {
  EXPECT_THAT(use_of_tree(mounts(""), kPath), IsEmpty());
  EXPECT_THAT(
      use_of_tree(mounts("21 20 0:5 / /run/containerd rw - tmpfs tmpfs rw\n"
                         "22 20 259:1 /var/lib/docker /srv rw - xfs x rw\n"
                         "23 20 259:1 /var/lib/containerd2/a /m rw - xfs x rw\n"
                         "24 20 8:1 /var/lib/containerd/a /b rw - xfs y rw\n"),
                  kPath),
      IsEmpty());
}

TEST(TreeUse, AMountBelowIsOne) {
  EXPECT_THAT(use_of_tree(mounts("21 20 0:5 / /var/lib/containerd/x/shm rw - "
                                 "tmpfs shm rw\n"),
                          kPath),
              HasSubstr("/var/lib/containerd/x/shm is mounted"));
}

// containerd's own: the rootfs is below /run, and only its options tell.
TEST(TreeUse, EachDirectoryOfAnOverlayCounts) {
  for (const char* options :
       {"lowerdir=/a:/var/lib/containerd/s/1/fs,upperdir=/b,workdir=/c",
        "lowerdir=/a,upperdir=/var/lib/containerd/s/2/fs,workdir=/c",
        "lowerdir=/a,upperdir=/b,workdir=/var/lib/containerd/s/2/work",
        "lowerdir+=/a,lowerdir+=/var/lib/containerd/s/1/fs,index=off",
        "lowerdir=1/fs:2/fs,upperdir=/var/lib/containerd/s/2/fs,workdir=/c",
        "lowerdir=/a::/var/lib/containerd/data",
        // Relative to a directory that nobody knows any more.
        "lowerdir=1/fs:2/fs,upperdir=3/fs,workdir=3/work"}) {
    EXPECT_THAT(use_of_tree(mounts(overlay(options)), kPath),
                HasSubstr("/rootfs is mounted and has its layers in"))
        << options;
  }
}

TEST(TreeUse, SomebodyElsesOverlayDoesNot) {
  for (const char* options :
       {"lowerdir=/var/lib/docker/l/A:/var/lib/docker/l/B,upperdir=/b",
        "lowerdir=/var/lib/containerd2/s/1/fs,upperdir=/b,workdir=/c",
        "lowerdir=l/A:l/B,upperdir=/var/lib/docker/a/diff,workdir=/c",
        "xino=off"}) {
    EXPECT_THAT(use_of_tree(mounts(overlay(options)), kPath), IsEmpty())
        << options;
  }
}

// The native and btrfs snapshotters have no overlay.
TEST(TreeUse, ABindMountOfAPartOfItCounts) {
  EXPECT_THAT(use_of_tree(mounts("21 20 259:1 /var/lib/containerd/n/7 "
                                 "/run/c/rootfs rw - xfs x rw\n"),
                          kPath),
              HasSubstr("/run/c/rootfs is mounted and is a part of"));
  EXPECT_THAT(
      use_of_tree(mounts("21 20 259:1 /var/lib/containerd /srv rw - xfs "
                         "x rw\n"),
                  kPath),
      HasSubstr("a part of"));
  // /var is a file system of its own, and one of its subvolumes at that.
  const std::string var = "21 20 8:2 /@var /var rw - btrfs /dev/sda2 rw\n";
  EXPECT_THAT(use_of_tree(mounts(var + "22 20 8:2 /@var/lib/containerd/n/7 "
                                       "/run/c/rootfs rw - btrfs x rw\n"),
                          kPath),
              HasSubstr("a part of"));
  EXPECT_THAT(
      use_of_tree(mounts(var + "22 20 8:2 /lib/containerd/n /m rw - b x rw\n"),
                  kPath),
      IsEmpty());
}

}  // namespace
}  // namespace gpunode::provision
