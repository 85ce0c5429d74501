#include "node/provision/storage_refusal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::provision {
namespace {

using testing::HasSubstr;

TEST(StorageRefusal, OptionsOfAFileSystemPass) {
  for (const char* option :
       {"noatime", "nodiratime", "discard", "logbsize=256k", "pquota",
        "inode64", "commit=30", "data=ordered", "errors=remount-ro", "noexec",
        "sync"}) {
    EXPECT_EQ(why_no_mount_option(option), "") << option;
  }
}

TEST(StorageRefusal, OptionsThatDecideABootAreRefused) {
  for (const char* option :
       {"x-systemd.requires=nowhere.mount", "x-systemd.automount",
        "x-systemd.before=sysinit.target", "x-initrd.mount", "noauto", "auto",
        "nofail", "_netdev", "X-mount.idmap", "comment=systemd.automount",
        "errors=panic", "bind", "remount", "loop=0", "ro", "user", "users"}) {
    EXPECT_THAT(why_no_mount_option(option), HasSubstr("leave it out"))
        << option;
  }
  EXPECT_THAT(why_no_mount_option("noatime,nodev"), HasSubstr("one item"));
  EXPECT_THAT(why_no_mount_option(""), HasSubstr("no mount option"));
  EXPECT_THAT(why_no_mount_option("a\n0"), HasSubstr("no mount option"));
}

TEST(StorageRefusal, WhatABootNeedsIsKeptFromStartingByNothing) {
  for (const char* user :
       {"sshd.service", "ssh.service", "ssh@1.service", "dbus.service",
        "dbus-broker.service", "systemd-logind.service",
        "systemd-networkd.service", "NetworkManager.service",
        "NetworkManager-wait-online.service", "networking.service",
        "wicked.service", "getty@tty1.service", "serial-getty@ttyS0.service",
        "user@0.service", "cloud-init.service", "gpunode-resume.service",
        "gpunode-storage-a.service", "sssd.service"}) {
    EXPECT_NE(why_no_storage_user(user), "") << user;
  }
}

TEST(StorageRefusal, WhatLivesOnADiskMayWaitForIt) {
  for (const char* user :
       {"containerd.service", "kubelet.service", "docker.service",
        "crio.service", "networked-database.service", "sshd2.service",
        "postgresql@15-main.service", "buildkit.service"}) {
    EXPECT_EQ(why_no_storage_user(user), "") << user;
  }
}

}  // namespace
}  // namespace gpunode::provision
