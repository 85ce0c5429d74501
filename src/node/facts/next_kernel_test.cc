#include "node/facts/next_kernel.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::facts {
namespace {

using host::HostTree;
using ::testing::HasSubstr;

NextKernel next_of(const HostTree& host) {
  return next_kernel_of(read_boot_choice(host.root()));
}

/// 1024 bytes, as GRUB keeps it.
std::string grubenv(const std::string& lines) {
  std::string text = "# GRUB Environment Block\n" + lines;
  text.resize(1024, '#');
  return text;
}

std::string entry(const std::string& release) {
  return "title Rocky Linux (" + release + ")\nversion " + release +
         "\nlinux /vmlinuz-" + release + "\ninitrd /initramfs-" + release +
         ".img\noptions root=UUID=1 ro\n";
}

// In the order that `sort -V` and rpm agree on.
TEST(NextKernelTest, ReleasesAreOrderedByValue) {
  const std::vector<std::string> ordered = {
      "4.18.0-513.5.1.el8_9.x86_64",
      "4.18.0-513.24.1.el8_9.x86_64",
      "5.4.0-99-generic",
      "5.4.0-100-generic",
      "5.10.0-8-amd64",
      "5.10.0-30-amd64",
      "6.1.0~rc1",
      "6.1.0",
      "6.1.0-9-amd64",
      "6.1.0-018-amd64",
      "6.1.0-99999999999999999999",
  };
  for (std::size_t i = 0; i < ordered.size(); ++i) {
    for (std::size_t j = 0; j < ordered.size(); ++j) {
      EXPECT_EQ(is_older_release(ordered[i], ordered[j]), i < j)
          << ordered[i] << " and " << ordered[j];
    }
  }
}

// What sorting and taking the newest count on.
RC_GTEST_PROP(NextKernelProperty, TheOrderIsOne, ()) {
  const auto release = rc::gen::container<std::string>(
      rc::gen::element('0', '1', '9', 'a', 'b', '.', '-', '~', '_'));
  const std::string a = *release;
  const std::string b = *release;
  const std::string c = *release;
  RC_ASSERT(!is_older_release(a, a));
  RC_ASSERT(!(is_older_release(a, b) && is_older_release(b, a)));
  if (is_older_release(a, b) && is_older_release(b, c)) {
    RC_ASSERT(is_older_release(a, c));
  }
  const auto same = [](const std::string& x, const std::string& y) {
    return !is_older_release(x, y) && !is_older_release(y, x);
  };
  if (same(a, b) && same(b, c)) RC_ASSERT(same(a, c));
}

TEST(NextKernelTest, RockysSavedEntry) {
  const HostTree host{
      {"etc/default/grub", "GRUB_TIMEOUT=1\nGRUB_DEFAULT=saved\n"},
      {"boot/grub2/grubenv",
       grubenv("saved_entry=0a1b-4.18.0-513.5.1.el8_9.x86_64\nkernelopts=x\n")},
      {"boot/loader/entries/0a1b-4.18.0-513.5.1.el8_9.x86_64.conf",
       entry("4.18.0-513.5.1.el8_9.x86_64")},
      {"boot/loader/entries/0a1b-4.18.0-553.1.1.el8_10.x86_64.conf",
       entry("4.18.0-553.1.1.el8_10.x86_64")},
      {"boot/loader/entries/0a1b-0-rescue.conf",
       "version 0-rescue-0a1b\nlinux /vmlinuz-0-rescue-0a1b\n"},
  };
  EXPECT_EQ(next_of(host).release, "4.18.0-513.5.1.el8_9.x86_64");
  // As an update writes it.
  host.file("boot/grub2/grubenv",
            grubenv("saved_entry=0a1b-4.18.0-553.1.1.el8_10.x86_64\n"));
  EXPECT_EQ(next_of(host).release, "4.18.0-553.1.1.el8_10.x86_64");
  // Nothing saved: the first of the menu, which is the newest.
  host.file("boot/grub2/grubenv", grubenv(""));
  EXPECT_EQ(next_of(host).release, "4.18.0-553.1.1.el8_10.x86_64");
  host.remove("etc/default/grub");
  host.file("boot/grub2/grubenv",
            grubenv("saved_entry=0a1b-4.18.0-513.5.1.el8_9.x86_64\n"));
  EXPECT_EQ(next_of(host).release, "4.18.0-513.5.1.el8_9.x86_64");
  // grub-reboot: once.
  host.file("boot/grub2/grubenv",
            grubenv("saved_entry=0a1b-4.18.0-513.5.1.el8_9.x86_64\n"
                    "next_entry=0a1b-4.18.0-553.1.1.el8_10.x86_64\n"));
  EXPECT_EQ(next_of(host).release, "4.18.0-553.1.1.el8_10.x86_64");
}

TEST(NextKernelTest, WhatIsChosenAndNotThereIsNotGuessedAt) {
  const HostTree host{
      {"etc/default/grub", "GRUB_DEFAULT=saved\n"},
      {"boot/grub2/grubenv", grubenv("saved_entry=0a1b-0-rescue\n")},
      {"boot/loader/entries/a.conf", entry("4.18.0-513.el8.x86_64")},
  };
  EXPECT_EQ(next_of(host).release, "");
  EXPECT_THAT(next_of(host).why, HasSubstr("0a1b-0-rescue"));
}

// Usual where installonly_limit removed the kernel that was saved.
TEST(NextKernelTest, InPlaceOfAKernelThatIsGoneGrubStartsTheNewest) {
  const HostTree host{
      {"etc/default/grub", "GRUB_DEFAULT=saved\n"},
      {"boot/grub2/grubenv",
       grubenv("saved_entry=0a1b-4.18.0-400.el8.x86_64\n")},
      {"boot/loader/entries/a.conf", entry("4.18.0-513.el8.x86_64")},
      {"boot/loader/entries/b.conf", entry("4.18.0-553.el8.x86_64")},
  };
  EXPECT_EQ(next_of(host).release, "4.18.0-553.el8.x86_64");
  EXPECT_THAT(next_of(host).why, HasSubstr("0a1b-4.18.0-400.el8.x86_64"));
}

TEST(NextKernelTest, ATitleNamesItsKernel) {
  const HostTree host{
      {"etc/default/grub", "GRUB_DEFAULT=saved\n"},
      {"boot/grub2/grubenv",
       grubenv("saved_entry=CentOS Linux (3.10.0-1127.el7.x86_64) 7 (Core)\n")},
      {"boot/vmlinuz-3.10.0-1127.el7.x86_64", ""},
      {"boot/vmlinuz-3.10.0-1160.el7.x86_64", ""},
      {"boot/vmlinuz-0-rescue-0a1b", ""},
  };
  EXPECT_EQ(next_of(host).release, "3.10.0-1127.el7.x86_64");
}

TEST(NextKernelTest, DebiansNewestAndWhatAPersonHasChosen) {
  const HostTree host{
      {"etc/default/grub", "GRUB_DEFAULT=0\n"},
      {"boot/vmlinuz-6.1.0-9-amd64", ""},
      {"boot/vmlinuz-6.1.0-18-amd64", ""},
      {"boot/vmlinuz-6.1.0-99-amd64.old", ""},
      {"boot/initrd.img-6.1.0-20-amd64", ""},
      // Of no count: GRUB_DEFAULT is not "saved".
      {"boot/grub/grubenv", grubenv("saved_entry=6.1.0-9-amd64\n")},
  };
  EXPECT_EQ(next_of(host).release, "6.1.0-18-amd64");
  host.file("etc/default/grub",
            "GRUB_DEFAULT=\"gnulinux-advanced-U>gnulinux-6.1.0-9-amd64-advanced"
            "-U\"\n");
  EXPECT_EQ(next_of(host).release, "6.1.0-9-amd64");
  host.file("etc/default/grub", "GRUB_DEFAULT='1>2'\n");
  EXPECT_EQ(next_of(host).release, "");
  EXPECT_THAT(next_of(host).why, HasSubstr("1>2"));
  host.remove("etc/default/grub");
  EXPECT_EQ(next_of(host).release, "6.1.0-18-amd64");
}

TEST(NextKernelTest, TheLongestNameCounts) {
  BootChoice choice;
  choice.releases = {"6.1.0-1", "6.1.0-1-rt", "6.1.0-11"};
  choice.default_entry = "saved";
  choice.saved_entry = "m-6.1.0-1-rt";
  EXPECT_EQ(next_kernel_of(choice).release, "6.1.0-1-rt");
  choice.saved_entry = "m-6.1.0-1";
  EXPECT_EQ(next_kernel_of(choice).release, "6.1.0-1");
  choice.saved_entry = "m-6.1.0-1+debug";
  EXPECT_EQ(next_kernel_of(choice).release, "6.1.0-11");
}

TEST(NextKernelTest, WithoutKernelsNothingIsKnown) {
  const HostTree host{{"etc/os-release", "ID=debian\n"}};
  EXPECT_EQ(next_of(host).release, "");
  EXPECT_THAT(next_of(host).why, HasSubstr("/boot"));
}

TEST(NextKernelTest, ANameOfAFileLeadsNowhereElse) {
  const HostTree host{
      {"boot/loader/entries/a.conf", "linux /vmlinuz-..\nversion ../../etc\n"},
      {"boot/loader/entries/b.conf", "linux /x/linux\nversion ../../etc\n"},
      {"boot/vmlinuz-a b", ""},
      {"boot/vmlinuz-6.1.0", ""},
      {"etc/updates/nvidia.ko", "module"},
  };
  EXPECT_EQ(next_of(host).release, "6.1.0");
  host.directory("lib/modules");
  EXPECT_EQ(nvidia_module_of(host.root(), "../../etc"), "");
}

TEST(NextKernelTest, GrubenvIsReadAsGrubWritesIt) {
  const std::string text = grubenv("a=1\nab=2\na=3\n#b=4\n");
  EXPECT_EQ(grub_variable(text, "a"), "3");
  EXPECT_EQ(grub_variable(text, "ab"), "2");
  EXPECT_EQ(grub_variable(text, "b"), std::nullopt);
  EXPECT_EQ(grub_variable("a=1\n", "a"), std::nullopt);
}

class NvidiaModuleTest : public ::testing::TestWithParam<const char*> {};

TEST_P(NvidiaModuleTest, IsFoundWhereItIsPut) {
  const HostTree host;
  host.directory("lib/modules/6.1/kernel/drivers/video/fbdev");
  host.file("lib/modules/6.1/kernel/drivers/video/fbdev/nvidiafb.ko", "");
  host.file("lib/modules/6.1/updates/dkms/nvidia-uvm.ko", "");
  host.file("lib/modules/6.1/updates/dkms/nvidia-current-drm.ko", "");
  EXPECT_EQ(nvidia_module_of(host.root(), "6.1"), "");
  const std::string path = std::string("/lib/modules/6.1/") + GetParam();
  // As a power cut leaves it.
  host.file(path.substr(1), "");
  EXPECT_EQ(nvidia_module_of(host.root(), "6.1"), "");
  host.file(path.substr(1), "module");
  EXPECT_EQ(nvidia_module_of(host.root(), "6.1"), path);
  EXPECT_EQ(nvidia_module_of(host.root(), "6.2"), "");
}

INSTANTIATE_TEST_SUITE_P(
    Places, NvidiaModuleTest,
    ::testing::Values("updates/dkms/nvidia.ko", "updates/dkms/nvidia.ko.zst",
                      "updates/dkms/nvidia-current.ko", "updates/nvidia.ko",
                      "extra/nvidia.ko.xz", "extra/nvidia-535.104/nvidia.ko.xz",
                      "extra/drivers/video/nvidia/nvidia.ko.gz",
                      "kernel/drivers/video/nvidia.ko",
                      "kernel/nvidia-535/nvidia.ko"));

TEST(NextKernelTest, AWeakUpdateIsAsGoodAsWhatItNames) {
  const HostTree host{
      {"lib/modules/5.14.0-1/extra/nvidia/nvidia.ko.xz", "module"}};
  host.directory("lib/modules/5.14.0-2/weak-updates/nvidia");
  host.link("lib/modules/5.14.0-2/weak-updates/nvidia/nvidia.ko.xz",
            "/lib/modules/5.14.0-1/extra/nvidia/nvidia.ko.xz");
  EXPECT_EQ(nvidia_module_of(host.root(), "5.14.0-2"),
            "/lib/modules/5.14.0-2/weak-updates/nvidia/nvidia.ko.xz");
  host.remove("lib/modules/5.14.0-1");
  EXPECT_EQ(nvidia_module_of(host.root(), "5.14.0-2"), "");
}

TEST(NextKernelTest, WhereTheChoiceIsAPlaceInTheMenuAllKernelsAreLookedAt) {
  const HostTree host{
      {"proc/sys/kernel/osrelease", "6.1.0-9-amd64\n"},
      {"etc/default/grub", "GRUB_DEFAULT=\"1>2\"\n"},
      {"boot/vmlinuz-6.1.0-9-amd64", ""},
      {"boot/vmlinuz-6.1.0-18-amd64", ""},
      {"lib/modules/6.1.0-9-amd64/updates/dkms/nvidia.ko", "module"},
  };
  const KernelModules kernels = look_at_kernel_modules(host.root());
  EXPECT_EQ(kernels.next.release, "");
  EXPECT_THAT(kernels.without_module, ::testing::ElementsAre("6.1.0-18-amd64"));
  EXPECT_EQ(kernels.other_with_module, "");
}

TEST(NextKernelTest, OfARunningKernelWithoutItTheNewestOtherThatHasItIsFound) {
  const HostTree host{
      {"proc/sys/kernel/osrelease", "6.1.0-18-amd64\n"},
      {"boot/vmlinuz-6.1.0-18-amd64", ""},
      {"lib/modules/6.1.0-8-amd64/updates/dkms/nvidia.ko", "module"},
      {"lib/modules/6.1.0-9-amd64/updates/dkms/nvidia.ko", "module"},
      {"lib/modules/6.1.0-18-amd64/modules.dep", ""},
  };
  const KernelModules kernels = look_at_kernel_modules(host.root());
  EXPECT_EQ(kernels.other_with_module, "6.1.0-9-amd64");
  EXPECT_EQ(kernels.next.release, "6.1.0-18-amd64");
  EXPECT_THAT(kernels.without_module, ::testing::IsEmpty());
  EXPECT_FALSE(kernels.is_of_container);
}

TEST(NextKernelTest, ADriverContainersModuleIsToldFromTheHosts) {
  const HostTree host{
      {"sys/module/nvidia/version", "570.86\n"},
      {"run/nvidia/driver/usr/bin/nvidia-smi", ""},
  };
  EXPECT_TRUE(look_at_kernel_modules(host.root()).is_of_container);
  // One that is on the host counts for what it is.
  host.file("proc/sys/kernel/osrelease", "6.1.0\n");
  host.file("lib/modules/6.1.0/extra/nvidia.ko", "module");
  EXPECT_FALSE(look_at_kernel_modules(host.root()).is_of_container);
}

TEST(NextKernelTest, BothKernelsAreLookedAt) {
  const HostTree host{
      {"proc/sys/kernel/osrelease", "6.1.0-9-amd64\n"},
      {"sys/module/nvidia/version", "570.86\n"},
      {"boot/vmlinuz-6.1.0-9-amd64", ""},
      {"boot/vmlinuz-6.1.0-18-amd64", ""},
      {"lib/modules/6.1.0-9-amd64/updates/dkms/nvidia.ko", "module"},
  };
  const KernelModules kernels = look_at_kernel_modules(host.root());
  EXPECT_EQ(kernels.running, "6.1.0-9-amd64");
  EXPECT_EQ(kernels.running_module,
            "/lib/modules/6.1.0-9-amd64/updates/dkms/nvidia.ko");
  EXPECT_TRUE(kernels.is_loaded);
  EXPECT_EQ(kernels.next.release, "6.1.0-18-amd64");
  EXPECT_EQ(kernels.next_module, "");
}

}  // namespace
}  // namespace gpunode::facts
