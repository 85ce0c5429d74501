#include "node/facts/observe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/fake_command_runner.h"
#include "base/host/host_tree.h"

namespace gpunode::facts {
namespace {

using host::FakeCommandRunner;
using host::HostTree;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

/// The least that a host has.
class Observe : public testing::Test {
 protected:
  Observe() {
    host_.file("etc/os-release", "ID=debian\nVERSION_ID=12\n");
    host_.file("proc/sys/kernel/osrelease", "6.1.0-18-amd64\n");
    host_.file("proc/sys/kernel/arch", "x86_64\n");
    host_.file("proc/meminfo", "MemTotal: 1024 kB\n");
    host_.file("proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
    host_.directory("sys/block");
  }

  void add_function(const std::string& bus_id, const std::string& pci_class,
                    const std::string& device) {
    const std::string at = "sys/bus/pci/devices/" + bus_id + "/";
    host_.file(at + "vendor", "0x10de\n");
    host_.file(at + "class", pci_class + "\n");
    host_.file(at + "device", device + "\n");
  }

  Result<HostFacts> observed(const Wanted& wanted = {}) {
    FakeCommandRunner runner;
    return observe(host_.root(), runner, wanted);
  }

  HostTree host_;
};

TEST_F(Observe, SeesTheLeastOfHosts) {
  const auto facts = observed();
  ASSERT_TRUE(facts) << facts.error().message();
  EXPECT_EQ(facts->os.id, "debian");
  EXPECT_EQ(facts->kernel.release, "6.1.0-18-amd64");
  EXPECT_EQ(facts->machine.memory_bytes, 1024U * 1024U);
  EXPECT_THAT(facts->gpus, IsEmpty());
  EXPECT_THAT(facts->gaps, IsEmpty());
}

TEST_F(Observe, SaysThatAGpuCannotBeTold) {
  add_function("0000:00:1e.0", "0x030200", "unreadable");
  const auto facts = observed();
  ASSERT_TRUE(facts) << facts.error().message();
  ASSERT_THAT(facts->gpus, SizeIs(1));
  EXPECT_EQ(facts->gpus[0].product,
            "NVIDIA GPU of a device id that cannot be read");
  EXPECT_THAT(facts->gaps,
              testing::Contains(HasSubstr("0000:00:1e.0/device cannot be "
                                          "read")));
}

TEST_F(Observe, RefusesWhatIsNoHost) {
  host_.remove("etc/os-release");
  const auto no_os = observed();
  ASSERT_FALSE(no_os);
  EXPECT_EQ(no_os.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(no_os.error().message(), HasSubstr("learn the distribution"));
  host_.file("etc/os-release", "nonsense\n");
  const auto corrupt = observed();
  ASSERT_FALSE(corrupt);
  EXPECT_EQ(corrupt.error().code(), ErrorCode::kCorrupt);
  EXPECT_THAT(corrupt.error().message(),
              HasSubstr("/etc/os-release: os-release: line 1"));
  host_.file("etc/os-release", "ID=debian\n");
  host_.remove("proc");
  EXPECT_EQ(observed().error().code(), ErrorCode::kNotFound);
}

TEST_F(Observe, ReadsOsReleaseWhereAnEmptyEtcHasIt) {
  host_.remove("etc/os-release");
  host_.file("usr/lib/os-release", "ID=flatcar\n");
  const auto facts = observed();
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->os.id, "flatcar");
  EXPECT_TRUE(facts->machine.image_based);
}

TEST_F(Observe, SeesGpusWithoutADriver) {
  add_function("0000:00:1e.0", "0x030200", "0x2237");
  add_function("0000:00:1e.1", "0x040300", "0x1aef");  // Audio.
  add_function("0000:c1:00.0", "0x068000", "0x22a3");
  add_function("0000:d1:00.0", "0x030000", "0xfff0");
  host_.link("sys/bus/pci/devices/0000:00:1e.0/driver",
             "../../../bus/pci/drivers/nouveau");
  const auto facts = observed();
  ASSERT_TRUE(facts);
  EXPECT_THAT(facts->gpus, ElementsAre(PciGpu{.address = "0000:00:1e.0",
                                              .device_id = 0x2237,
                                              .product = "NVIDIA A10G",
                                              .driver = "nouveau"},
                                       PciGpu{.address = "0000:c1:00.0",
                                              .device_id = 0x22a3,
                                              .product = "NVIDIA NVSwitch",
                                              .driver = "",
                                              .is_switch = true},
                                       PciGpu{.address = "0000:d1:00.0",
                                              .device_id = 0xfff0,
                                              .product = "NVIDIA 10de:fff0",
                                              .driver = ""}));
}

/// A config space with a vendor-specific capability signed "VF".
std::string vgpu_config() {
  std::string bytes(256, '\0');
  bytes[0x06] = 0x10;  // There are capabilities,
  bytes[0x34] = 0x50;  // the first one here:
  bytes[0x50] = 0x09;
  bytes[0x52] = 27;
  bytes[0x53] = 'V';
  bytes[0x54] = 'F';
  bytes[0x55] = 0;  // The hypervisor's driver: 20 characters.
  bytes[0x56] = 22;
  return bytes;
}

TEST_F(Observe, TellsVgpus) {
  add_function("0000:02:00.0", "0x030200", "0x1eb8");
  add_function("0000:03:00.0", "0x030200", "0x1eb8");
  add_function("0000:04:00.0", "0x030200", "0x1eb8");
  host_.file("sys/bus/pci/devices/0000:02:00.0/config", vgpu_config());
  host_.file("sys/bus/pci/devices/0000:03:00.0/config", std::string(256, '\0'));
  host_.file("sys/bus/pci/devices/0000:04:00.0/config", std::string(64, '\0'));
  const auto facts = observed();
  ASSERT_TRUE(facts);
  ASSERT_THAT(facts->gpus, SizeIs(3));
  EXPECT_TRUE(facts->gpus[0].is_vgpu);
  EXPECT_FALSE(facts->gpus[1].is_vgpu);
  EXPECT_FALSE(facts->gpus[2].is_vgpu);
  EXPECT_THAT(facts->gaps, ElementsAre(HasSubstr("0000:04:00.0 is a vGPU")));
}

TEST_F(Observe, ReadsSwapsAndFstab) {
  host_.file("proc/swaps",
             "Filename Type Size Used Priority\n"
             "/swap.img file 4 0 -2\n");
  host_.file("etc/fstab", "/swap.img none swap sw 0 0\n");
  const auto facts = observed();
  ASSERT_TRUE(facts);
  EXPECT_THAT(facts->swaps, ElementsAre(SwapFacts{"/swap.img", "file", 4096}));
  EXPECT_THAT(facts->fstab, SizeIs(1));
}

TEST_F(Observe, SeesDisks) {
  host_.file("sys/block/sda/dev", "8:0\n");
  host_.file("sys/block/sda/size", "2048\n");
  const auto facts = observed();
  ASSERT_TRUE(facts);
  EXPECT_TRUE(facts->storage.is_known);
  ASSERT_THAT(facts->storage.disks, SizeIs(1));
  EXPECT_EQ(facts->storage.disks[0].device.size_bytes, 1048576U);
  EXPECT_FALSE(facts->storage.disks[0].was_proved);
  EXPECT_THAT(facts->storage.mounts, SizeIs(1));
}

TEST_F(Observe, RefusesWhereWantedDisksCannotBeKnown) {
  host_.remove("sys/block");
  Wanted wanted;
  wanted.disks = {DiskFilter{}};
  EXPECT_EQ(observed(wanted).error().code(), ErrorCode::kNotFound);
}

TEST_F(Observe, GoesOnWithoutWhatCannotBeRead) {
  host_.directory("etc/fstab");
  host_.directory("proc/swaps");
  const auto facts = observed();
  ASSERT_TRUE(facts);
  EXPECT_FALSE(facts->storage.is_known);
  EXPECT_THAT(facts->gaps,
              ElementsAre("disks and mounts are not known: read /proc/swaps: "
                          "not a regular file",
                          "read /etc/fstab: not a regular file"));
}

TEST_F(Observe, LooksAtWhatIsWantedAndAtNothingElse) {
  host_.file("etc/containerd/config.toml", "version = 2\n");
  host_.file("etc/other", "x");
  host_.file("proc/sys/vm/swappiness", "60\n");
  host_.file("proc/modules", "overlay 1 0 - Live 0x0\n");
  host_.file("usr/lib/systemd/system/kubelet.service", "[Install]\n");
  host_.file("var/lib/dpkg/status",
             "Package: kubelet\nStatus: install ok installed\nVersion: 1\n");
  Wanted wanted;
  wanted.files = {"/etc/containerd/config.toml"};
  wanted.trees = {"/etc"};
  wanted.sysctls = {"vm.swappiness"};
  wanted.modules = {"overlay"};
  wanted.units = {"kubelet.service"};
  wanted.packages = {"kubelet"};
  const auto facts = observed(wanted);
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->files.at("/etc/containerd/config.toml").content,
            "version = 2\n");
  EXPECT_THAT(facts->files, SizeIs(1));
  EXPECT_TRUE(facts->trees.at("/etc").is_directory);
  EXPECT_EQ(facts->sysctls.at("vm.swappiness"), "60");
  EXPECT_TRUE(facts->modules.at("overlay"));
  EXPECT_EQ(facts->units.at("kubelet.service").unit_file_state, "disabled");
  EXPECT_EQ(facts->packages.at("kubelet").version, "1");
  EXPECT_THAT(facts->gaps, IsEmpty());
}

TEST(ObserveThisMachine, EndsWithFactsWhateverItIs) {
  if (!host::HostRoot().exists("/etc/os-release") &&
      !host::HostRoot().exists("/usr/lib/os-release")) {
    GTEST_SKIP() << "no os-release here";
  }
  host::SystemCommandRunner runner;
  Wanted wanted;
  wanted.files = {"/etc/fstab", "/etc/hosts", "/dev/null", "/proc/cmdline"};
  wanted.trees = {"/", "/proc", "/var/lib/containerd"};
  wanted.units = {"containerd.service", "kubelet.service"};
  wanted.packages = {"base-files", "bash", "no-such-package-anywhere"};
  wanted.sysctls = {"kernel.osrelease", "net.ipv4.ip_forward", "no.such"};
  wanted.modules = {"overlay", "no_such_module"};
  const auto facts = observe(host::HostRoot(), runner, wanted);
  ASSERT_TRUE(facts) << facts.error().message();
  EXPECT_FALSE(facts->os.id.empty());
  EXPECT_EQ(facts->sysctls.at("kernel.osrelease"), facts->kernel.release);
  EXPECT_FALSE(facts->sysctls.contains("no.such"));
  EXPECT_EQ(facts->kernel.boot_id.size(), 36U);
  EXPECT_GT(facts->machine.memory_bytes, 0U);
  EXPECT_GT(facts->machine.processors, 0);
  EXPECT_TRUE(facts->trees.at("/").is_directory);
  EXPECT_GT(facts->trees.at("/proc").entries, 1U);
  EXPECT_EQ(facts->files.at("/dev/null").error, "not a regular file");
  EXPECT_FALSE(facts->packages.contains("no-such-package-anywhere"));
  EXPECT_FALSE(facts->modules.contains("no_such_module"));
  // Twice the same, but for what is counted.
  const auto again = observe(host::HostRoot(), runner, {});
  ASSERT_TRUE(again);
  EXPECT_EQ(again->kernel, facts->kernel);
  EXPECT_EQ(again->gpus, facts->gpus);
}

}  // namespace
}  // namespace gpunode::facts
