#include "node/facts/machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::facts {
namespace {

using host::HostTree;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct Observed {
  KernelFacts kernel;
  MachineFacts machine;
  std::vector<std::string> gaps;
};

Observed observed(const HostTree& host, const std::string& id = "rocky") {
  host.file("proc/sys/kernel/osrelease", "4.18.0-513.5.1.el8_9.x86_64\n");
  Observed seen;
  OsRelease os;
  os.id = id;
  auto kernel = read_kernel(host.root(), seen.gaps);
  EXPECT_TRUE(kernel);
  seen.kernel = *std::move(kernel);
  const auto mounts = host::read_mount_table(host.root());
  seen.machine =
      read_machine(host.root(), os, seen.kernel,
                   mounts ? *mounts : std::vector<host::Mount>(), seen.gaps);
  return seen;
}

TEST(Machine, IsReadFromDmiProcAndSysfs) {
  const HostTree host{
      {"sys/class/dmi/id/sys_vendor", "Amazon EC2\n"},
      {"sys/class/dmi/id/product_name", "g5.4xlarge\n"},
      {"proc/meminfo", "MemTotal:       65009384 kB\nMemFree: 1 kB\n"},
      {"sys/devices/system/cpu/online", "0-15\n"},
      {"sys/fs/selinux/enforce", "1"},
      {"proc/1/comm", "systemd\n"},
      {"proc/2/comm", "kthreadd\n"},
      {"proc/sys/kernel/arch", "x86_64\n"},
      {"proc/sys/kernel/random/boot_id",
       "a6e0d1f7-0c2e-4a44-8d2b-7d8f9a1f6f4b\n"},
      {"proc/cmdline", "BOOT_IMAGE=/vmlinuz root=UUID=1 ro \n"}};
  host.directory("run/systemd/system");
  host.directory("sys/firmware/efi");
  const Observed seen = observed(host);
  EXPECT_EQ(
      seen.kernel,
      (KernelFacts{.release = "4.18.0-513.5.1.el8_9.x86_64",
                   .machine = "x86_64",
                   .boot_id = "a6e0d1f7-0c2e-4a44-8d2b-7d8f9a1f6f4b",
                   .command_line = "BOOT_IMAGE=/vmlinuz root=UUID=1 ro"}));
  MachineFacts expected;
  expected.vendor = "Amazon EC2";
  expected.product = "g5.4xlarge";
  expected.cloud = "aws";
  expected.memory_bytes = std::uint64_t{65009384} * 1024;
  expected.processors = 16;
  expected.efi = true;
  expected.systemd = true;
  expected.selinux = true;
  expected.selinux_enforcing = true;
  EXPECT_EQ(seen.machine, expected);
  EXPECT_THAT(seen.gaps, IsEmpty());
}

TEST(Machine, OfWhichNothingIsToldHasGaps) {
  const HostTree host;
  const Observed seen = observed(host);
  EXPECT_EQ(seen.machine, MachineFacts());
  EXPECT_THAT(seen.gaps, ElementsAre(HasSubstr("architecture"),
                                     HasSubstr("/proc/meminfo")));
}

TEST(Kernel, WithoutProcIsNone) {
  const HostTree host{{"etc/os-release", "ID=x\n"}};
  std::vector<std::string> gaps;
  const auto kernel = read_kernel(host.root(), gaps);
  ASSERT_FALSE(kernel);
  EXPECT_EQ(kernel.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(kernel.error().message(), HasSubstr("learn the kernel: open"));
}

TEST(Kernel, BeforeItTellsItsArchitectureIsKnownByTheLoader) {
  const HostTree arm{{"lib/ld-linux-aarch64.so.1", ""}};
  EXPECT_EQ(observed(arm).kernel.machine, "aarch64");
  const HostTree intel{{"usr/lib64/ld-linux-x86-64.so.2", ""}};
  intel.link("lib64", "usr/lib64");
  EXPECT_EQ(observed(intel).kernel.machine, "x86_64");
}

TEST(Machine, IsNoSystemdHostByTheDirectoryAlone) {
  const HostTree host{{"proc/1/comm", "tini\n"}};
  host.directory("run/systemd/system");
  EXPECT_FALSE(observed(host).machine.systemd);
}

constexpr const char* kOverlayRoot =
    "22 1 0:50 / / rw,relatime - overlay overlay rw,lowerdir=a\n"
    "23 22 0:5 / /proc rw - proc proc rw\n";
constexpr const char* kDiskRoot =
    "1 1 0:2 / / rw - rootfs rootfs rw\n"
    "22 1 259:1 / / rw,relatime shared:1 - xfs /dev/root rw\n";

TEST(Machine, IsAContainerByItsMarks) {
  const HostTree docker{{".dockerenv", ""}, {"proc/2/comm", "bash\n"}};
  EXPECT_EQ(observed(docker).machine.container_kind, "docker");
  EXPECT_TRUE(observed(docker).machine.container);
  const HostTree podman{{"run/.containerenv", ""}};
  EXPECT_EQ(observed(podman).machine.container_kind, "podman");
  const HostTree lxc{{"run/systemd/container", "lxc\n"}};
  EXPECT_EQ(observed(lxc).machine.container_kind, "lxc");
  const HostTree pod;
  pod.directory("run/secrets/kubernetes.io/serviceaccount");
  EXPECT_EQ(observed(pod).machine.container_kind, "kubernetes");
}

TEST(Machine, IsAContainerIfItsSecondProcessIsNotTheKernels) {
  const HostTree unknown{{"proc/2/comm", "sleep\n"}};
  EXPECT_EQ(observed(unknown).machine.container_kind, "container");
  const HostTree host{{"proc/2/comm", "kthreadd\n"}};
  EXPECT_FALSE(observed(host).machine.container);
}

TEST(Machine, WithTheHostsProcessesIsStillAContainerOnAnOverlay) {
  const HostTree host{{".dockerenv", ""},
                      {"proc/2/comm", "kthreadd\n"},
                      {"proc/self/mountinfo", kOverlayRoot}};
  EXPECT_EQ(observed(host).machine.container_kind, "docker");
}

TEST(Machine, MadeOfAContainersImageIsNone) {
  const HostTree host{{".dockerenv", ""},
                      {"proc/2/comm", "kthreadd\n"},
                      {"proc/self/mountinfo", kDiskRoot}};
  EXPECT_FALSE(observed(host).machine.container);
}

TEST(Machine, IsImageBasedByItsIdOrByWhatItLeaves) {
  const HostTree plain;
  for (const char* id : {"bottlerocket", "cos", "flatcar", "nixos",
                         "opensuse-microos", "rhcos", "talos"}) {
    EXPECT_EQ(observed(plain, id).machine.image_kind, id);
    EXPECT_TRUE(observed(plain, id).machine.image_based);
  }
  for (const char* id : {"rocky", "ubuntu", "sles", "amzn", "fedora"}) {
    EXPECT_FALSE(observed(plain, id).machine.image_based) << id;
  }
  const HostTree ostree{{"run/ostree-booted", ""}};
  EXPECT_EQ(observed(ostree, "fedora").machine.image_kind, "ostree");
}

TEST(Machine, WithTransactionalUpdateIsImageBasedIfItsRootIsReadOnly) {
  HostTree host{{"usr/sbin/transactional-update", ""},
                {"proc/self/mountinfo",
                 "22 1 0:30 /@ / ro,relatime - btrfs /dev/sda2 rw\n"}};
  EXPECT_EQ(observed(host, "sles").machine.image_kind, "transactional-update");
  host.file("proc/self/mountinfo",
            "22 1 0:30 /@ / rw,relatime - btrfs /dev/sda2 rw\n");
  EXPECT_FALSE(observed(host, "sles").machine.image_based);
}

TEST(Machine, IsWslByItsKernel) {
  const HostTree host;
  const auto wsl = [&](const char* release) {
    std::vector<std::string> gaps;
    KernelFacts kernel;
    kernel.release = release;
    return read_machine(host.root(), {}, kernel, {}, gaps).wsl;
  };
  EXPECT_TRUE(wsl("5.15.153.1-microsoft-standard-WSL2"));
  EXPECT_TRUE(wsl("4.4.0-19041-Microsoft"));
  EXPECT_FALSE(wsl("6.8.0-1021-azure"));
}

TEST(Machine, IsTegraByItsRelease) {
  const HostTree host{{"etc/nv_tegra_release", "# R35\n"}};
  EXPECT_TRUE(observed(host).machine.tegra);
}

TEST(Cloud, IsToldByDmi) {
  EXPECT_EQ(cloud_of("Amazon EC2", "g5.4xlarge", "Amazon EC2"), "aws");
  EXPECT_EQ(cloud_of("Xen", "HVM domU", ""), "");
  EXPECT_EQ(cloud_of("Xen", "4.11.amazon", ""), "aws");
  EXPECT_EQ(cloud_of("Microsoft Corporation", "Virtual Machine",
                     "7783-7084-3265-9085-8269-3286-77"),
            "azure");
  EXPECT_EQ(cloud_of("Microsoft Corporation", "Virtual Machine", ""), "");
  EXPECT_EQ(cloud_of("Google", "Google Compute Engine", ""), "gcp");
  EXPECT_EQ(cloud_of("QEMU", "Standard PC", "OracleCloud.com"), "oci");
  EXPECT_EQ(cloud_of("NVIDIA", "DGXH100", ""), "");
}

TEST(Processors, AreCountedFromTheKernelsList) {
  EXPECT_EQ(count_processors("0-15"), 16);
  EXPECT_EQ(count_processors("0"), 1);
  EXPECT_EQ(count_processors("0-3,8,10-11"), 7);
  for (const char* wrong :
       {"", "a", "3-1", "-1", "0-99999999999", "0-9999999", "0,,1", "0-1-2"}) {
    EXPECT_EQ(count_processors(wrong), 0) << wrong;
  }
}

TEST(Memory, IsMemTotal) {
  EXPECT_EQ(memory_of("MemFree: 3 kB\nMemTotal: 2 kB\n"), 2048U);
  EXPECT_EQ(memory_of("MemTotal: x kB\n"), 0U);
  EXPECT_EQ(memory_of("MemTotal: 18446744073709551615 kB\n"), 0U);
  EXPECT_EQ(memory_of(""), 0U);
}

}  // namespace
}  // namespace gpunode::facts
