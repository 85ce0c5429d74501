#include "node/diagnose/doctor_look.h"

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/fake_command_runner.h"
#include "base/host/host_tree.h"
#include "node/diagnose/pains.h"

namespace gpunode::diagnose {
namespace {

using testing::Contains;
using testing::Field;
using testing::Not;

/// Checks that are more than notes.
std::vector<std::string> bad_checks(const Findings& findings) {
  std::vector<std::string> checks;
  for (const Finding& one : findings) {
    if (one.severity != Severity::kNote) checks.push_back(one.check);
  }
  return checks;
}

/// Every host of the fixtures: nothing is broken on most, whatever is yet to be
/// installed. They are made up (tests/fixtures/hosts/synthesise.py) and have no
/// logs: what their trees can tell is tested here, not what programs would say.
TEST(DoctorLook, OfEachHostTellsWhatIsWrongAndNothingElse) {
  using Checks = std::vector<std::string>;
  const std::map<std::string, Checks> wrong = {
      // A module in the kernel, and none on its disk.
      {"dgx-h100", {"kernel.module"}},
      // Its fstab mounts the root by the number of an NVMe disk.
      {"gh200-ubuntu2404", {"disk.names"}},
      {"two-kernels", {"kernel.headers"}},
  };
  int hosts = 0;
  for (const auto& entry : std::filesystem::directory_iterator(HOST_FIXTURES)) {
    if (!entry.is_directory()) continue;
    ++hosts;
    const std::string name = entry.path().filename();
    host::FakeCommandRunner runner;
    const auto look = look_for_doctor(host::HostRoot(entry.path()), runner);
    ASSERT_TRUE(look) << name << ": " << look.error().message();
    const auto expected = wrong.find(name);
    EXPECT_EQ(bad_checks(find_pains(*look)),
              expected == wrong.end() ? Checks() : expected->second)
        << name;
  }
  EXPECT_GE(hosts, 15);
}

TEST(DoctorLook, OfARecordedHostSeesTheKernelThatHasNoModule) {
  host::FakeCommandRunner runner;
  const auto look = look_for_doctor(
      host::HostRoot(std::string(HOST_FIXTURES) + "/two-kernels"), runner);
  ASSERT_TRUE(look) << look.error().message();
  const Findings found = find_pains(*look);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].check, "kernel.headers");
  EXPECT_EQ(found[0].severity, Severity::kBad);
  EXPECT_THAT(found[0].what, testing::HasSubstr("5.15.0-122-generic"));
  EXPECT_THAT(found[0].next,
              testing::HasSubstr("linux-headers-5.15.0-122-generic"));
}

host::HostTree rocky() {
  return host::HostTree{
      {"etc/os-release",
       "ID=rocky\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"8.9\"\n"},
      {"proc/sys/kernel/osrelease", "4.18.0-513.el8.x86_64\n"},
      {"proc/sys/kernel/arch", "x86_64\n"},
      {"proc/self/mountinfo", ""},
      {"proc/swaps", "Filename Type Size Used Priority\n"},
      {"sys/block/.keep", ""}};
}

TEST(DoctorLook, JudgesALogByTheKernelItIsFor) {
  const host::HostTree host = rocky();
  host.file("var/lib/dkms/nvidia/580.65.06/build/make.log",
            "DKMS make.log for nvidia-580.65.06 for kernel "
            "4.18.0-513.el8.x86_64 (x86_64)\nnv.c:1: error: x\n");
  host::FakeCommandRunner runner;
  auto look = look_for_doctor(host.root(), runner);
  ASSERT_TRUE(look) << look.error().message();
  ASSERT_EQ(look->builds.size(), 1U);
  EXPECT_FALSE(look->builds[0].has_module);
  EXPECT_THAT(find_pains(*look),
              Contains(Field(&Finding::check, "dkms.failed")));

  host.file("lib/modules/4.18.0-513.el8.x86_64/extra/nvidia.ko.xz", "module");
  look = look_for_doctor(host.root(), runner);
  ASSERT_TRUE(look);
  EXPECT_TRUE(look->builds[0].has_module);
  EXPECT_THAT(find_pains(*look),
              Not(Contains(Field(&Finding::check, "dkms.failed"))));
}

TEST(DoctorLook, SeesAJoinThatDidNotEnd) {
  const host::HostTree host = rocky();
  host::FakeCommandRunner runner;
  host.file("etc/kubernetes/bootstrap-kubelet.conf", "token: secret\n");
  auto look = look_for_doctor(host.root(), runner);
  ASSERT_TRUE(look);
  EXPECT_TRUE(look->is_joining);
  EXPECT_FALSE(
      look->host.files.contains("/etc/kubernetes/bootstrap-kubelet.conf"));
  host.file("etc/kubernetes/kubelet.conf", "");
  look = look_for_doctor(host.root(), runner);
  ASSERT_TRUE(look);
  EXPECT_FALSE(look->is_joining);
}

TEST(DoctorLook, IsAnErrorWhereThereIsNoHost) {
  host::FakeCommandRunner runner;
  EXPECT_FALSE(look_for_doctor(host::HostTree().root(), runner));
}

TEST(InstallCommand, IsOfTheHostsOwnManager) {
  const auto command = [](const std::string& id, const std::string& version,
                          const std::vector<std::string>& like) {
    DoctorLook look;
    look.host.os.id = id;
    look.host.os.version_id = version;
    look.host.os.id_like = like;
    return install_command(look, "x");
  };
  EXPECT_EQ(command("ubuntu", "22.04", {"debian"}), "apt-get install x");
  EXPECT_EQ(command("rocky", "8.9", {"rhel"}), "dnf install x");
  EXPECT_EQ(command("centos", "7", {"rhel", "fedora"}), "yum install x");
  EXPECT_EQ(command("sles", "15.6", {"suse"}), "zypper install x");
  EXPECT_EQ(command("mint", "1", {"ubuntu"}), "apt-get install x");
  EXPECT_EQ(command("own", "1", {}), "install x");
}

TEST(RunningDriver, IsToldByWhateverIsThere) {
  facts::HostFacts host;
  EXPECT_EQ(running_driver_of(host).version, "");
  host.files["/proc/driver/nvidia/version"].content =
      "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  "
      "Release Build\n";
  RunningDriver driver = running_driver_of(host);
  EXPECT_EQ(driver.version, "580.65.06");
  EXPECT_TRUE(driver.is_open.value_or(false));
  host.driver.loaded_version = "570.1";
  host.driver.library = "570.1";
  host.files.clear();
  driver = running_driver_of(host);
  EXPECT_EQ(driver.version, "570.1");
  EXPECT_EQ(driver.library, "570.1");
  EXPECT_FALSE(driver.is_open.value_or(true));
}

}  // namespace
}  // namespace gpunode::diagnose
