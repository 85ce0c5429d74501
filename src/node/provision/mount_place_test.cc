#include "node/provision/mount_place.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::provision {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

TEST(MountPlace, IsWhereContainersLogsAndPeopleKeepTheirs) {
  for (const char* path : {"/var/lib/containerd",
                           "/var/lib/docker",
                           "/var/lib/containers",
                           "/var/lib/kubelet",
                           "/var/lib/etcd",
                           "/var/lib/rancher/k3s",
                           "/var/log/pods",
                           "/var/log/containers",
                           "/var/openebs/local",
                           "/var/www",
                           "/var/local",
                           "/var/opt/gitlab",
                           "/srv",
                           "/srv/images",
                           "/mnt",
                           "/mnt/disks/ssd0",
                           "/opt/models",
                           "/home/shared",
                           "/media/scratch",
                           "/data",
                           "/data/a",
                           "/local",
                           "/scratch",
                           "/nvme",
                           "/raid",
                           "/d",
                           "/library",
                           "/etcd",
                           "/var/lib/dbus-data",
                           "/var/log/journals"}) {
    EXPECT_THAT(why_no_mount_place(path), IsEmpty()) << path;
  }
}

TEST(MountPlace, IsNowhereThatADistributionKeepsItsOwn) {
  for (const char* path : {"/",
                           "/bin",
                           "/bin/x",
                           "/sbin/x",
                           "/lib",
                           "/lib/modules",
                           "/lib64",
                           "/lib32/x",
                           "/libx32",
                           "/usr",
                           "/usr/local",
                           "/etc",
                           "/etc/x",
                           "/efi",
                           "/boot/efi",
                           "/dev/shm",
                           "/proc/x",
                           "/sys",
                           "/run/x",
                           "/root",
                           "/root/data",
                           "/tmp",
                           "/tmp/x",
                           "/ostree",
                           "/sysroot",
                           "/nix/store",
                           "/snap",
                           "/.snapshots",
                           "/lost+found",
                           "/home",
                           "/opt",
                           "/media",
                           "/var",
                           "/var/lib",
                           "/var/log",
                           "/var/log/journal",
                           "/var/log/journal/x",
                           "/var/spool",
                           "/var/spool/cron",
                           "/var/tmp",
                           "/var/cache/apt",
                           "/var/run",
                           "/var/lock/x",
                           "/var/opt",
                           "/var/lib/dbus",
                           "/var/lib/dpkg",
                           "/var/lib/rpm",
                           "/var/lib/apt/lists",
                           "/var/lib/systemd",
                           "/var/lib/gpunode/x",
                           "/var/lib/dnf",
                           "/var/lib/zypp",
                           "/var/lib/NetworkManager",
                           "/var/lib/cloud",
                           "/var/lib/dkms",
                           "/var/lib/alternatives"}) {
    EXPECT_THAT(why_no_mount_place(path),
                HasSubstr("take the host's own files away"))
        << path;
  }
}

TEST(MountPlace, SaysWhatWouldDo) {
  EXPECT_THAT(why_no_mount_place("/opt"), HasSubstr("a directory below it"));
  EXPECT_THAT(why_no_mount_place("/usr/x"), HasSubstr("as /data"));
}

TEST(MountPlace, IsWithinOnlyWhatIsAWholePartOfIt) {
  EXPECT_TRUE(is_within("/data", "/data"));
  EXPECT_TRUE(is_within("/data/a", "/data"));
  EXPECT_TRUE(is_within("/data", "/"));
  EXPECT_FALSE(is_within("/database", "/data"));
  EXPECT_FALSE(is_within("/data", "/data/a"));
}

}  // namespace
}  // namespace gpunode::provision
