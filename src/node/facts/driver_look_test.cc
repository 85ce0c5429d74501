#include "node/facts/driver_look.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::facts {
namespace {

using host::HostTree;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

/// A link, and the directories that it lies in.
void link_in(const HostTree& host, const std::string& name,
             const std::string& target) {
  host.directory(name.substr(0, name.rfind('/')));
  host.link(name, target);
}

HostFacts looked_at(const HostTree& host) {
  HostFacts facts;
  look_at_driver(host.root(), facts);
  return facts;
}

TEST(DriverLook, SeesNothingOnABareHost) {
  const HostTree host;
  const HostFacts facts = looked_at(host);
  EXPECT_EQ(facts.driver, DriverFacts());
  EXPECT_FALSE(facts.machine.manages_nvlink);
  EXPECT_THAT(facts.gaps, IsEmpty());
}

TEST(DriverLook, ReadsTheLoadedModule) {
  const HostTree host{
      {"proc/driver/nvidia/version",
       "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  "
       "Release Build\n"},
      {"sys/module/nvidia/version", "580.65.06\n"},
      {"sys/module/nvidia/refcnt", "42\n"},
      {"proc/driver/nvidia/params",
       "EnableMSI: 1\nEnableGpuFirmware: 0\n"
       "CoherentGPUMemoryMode: \"driver\"\nRegistryDwords: \"\"\n"},
      {"proc/driver/nvidia/gpus/0000:00:1e.0/information", "Model: A10G\n"},
      {"proc/driver/nvidia/gpus/0000:00:1f.0/information", "Model: A10G\n"}};
  const DriverFacts driver = looked_at(host).driver;
  EXPECT_EQ(driver.loaded_version, "580.65.06");
  EXPECT_TRUE(driver.is_loaded_open);
  EXPECT_EQ(driver.users, 42);
  EXPECT_EQ(driver.proc_gpus, 2);
  EXPECT_THAT(driver.params,
              ElementsAre(Pair("CoherentGPUMemoryMode", "driver"),
                          Pair("EnableGpuFirmware", "0"),
                          Pair("EnableMSI", "1"), Pair("RegistryDwords", "")));
}

TEST(DriverLook, TellsProprietaryModulesFromOpenOnes) {
  const HostTree host{
      {"proc/driver/nvidia/version",
       "NVRM version: NVIDIA UNIX x86_64 Kernel Module  545.23.08  Mon Nov\n"}};
  const DriverFacts driver = looked_at(host).driver;
  EXPECT_EQ(driver.loaded_version, "545.23.08");
  EXPECT_FALSE(driver.is_loaded_open);
  EXPECT_EQ(driver.users, -1);
}

TEST(DriverLook, FollowsTheLibraryToItsVersion) {
  const HostTree host;
  host.file("usr/lib/x86_64-linux-gnu/libnvidia-ml.so.580.65.06", "ELF");
  link_in(host, "usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1",
          "libnvidia-ml.so.580.65.06");
  EXPECT_EQ(looked_at(host).driver.library, "580.65.06");
}

TEST(DriverLook, FollowsDebiansAlternatives) {
  const HostTree host;
  host.file("usr/lib/x86_64-linux-gnu/nvidia/current/libnvidia-ml.so.535.1.2",
            "ELF");
  link_in(host, "etc/alternatives/nvidia--libnvidia-ml.so.1",
          "/usr/lib/x86_64-linux-gnu/nvidia/current/libnvidia-ml.so.535.1.2");
  link_in(host, "usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1",
          "/etc/alternatives/nvidia--libnvidia-ml.so.1");
  EXPECT_EQ(looked_at(host).driver.library, "535.1.2");
}

TEST(DriverLook, ListsWhatDkmsBuiltAndInstalled) {
  const HostTree host;
  link_in(host, "var/lib/dkms/nvidia/580.65.06/source", "/usr/src/nvidia-580");
  host.file("var/lib/dkms/nvidia/580.65.06/6.1.0-18/x86_64/module/nvidia.ko",
            "");
  host.file("var/lib/dkms/nvidia/580.65.06/6.1.0-20/x86_64/log/make.log", "");
  link_in(host, "var/lib/dkms/nvidia/kernel-6.1.0-18-x86_64",
          "580.65.06/6.1.0-18/x86_64");
  host.directory("var/lib/dkms/nvidia-open/570.86.15");
  host.directory("var/lib/dkms/nvidia-fs/2.25");
  host.file("var/lib/dkms/mok.key", "");
  EXPECT_THAT(looked_at(host).driver.dkms,
              ElementsAre(DkmsBuild{"nvidia", "580.65.06", "6.1.0-18", true},
                          DkmsBuild{"nvidia", "580.65.06", "6.1.0-20", false},
                          DkmsBuild{"nvidia-open", "570.86.15", "", false}));
}

TEST(DriverLook, DoesNotTakeAnotherVersionsBuildForInstalled) {
  const HostTree host;
  host.directory("var/lib/dkms/nvidia/580.65.06/6.1.0-18/x86_64");
  host.directory("var/lib/dkms/nvidia/570.86.15/6.1.0-18/x86_64");
  link_in(host, "var/lib/dkms/nvidia/kernel-6.1.0-18-x86_64",
          "570.86.15/6.1.0-18/x86_64");
  EXPECT_THAT(looked_at(host).driver.dkms,
              ElementsAre(DkmsBuild{"nvidia", "570.86.15", "6.1.0-18", true},
                          DkmsBuild{"nvidia", "580.65.06", "6.1.0-18", false}));
}

TEST(DriverLook, NamesWhoHasADeviceOpen) {
  const HostTree host{{"sys/module/nvidia/version", "580.65.06\n"},
                      {"proc/1/comm", "systemd\n"},
                      {"proc/4711/comm", "python3\n"},
                      {"proc/902/comm", "nvidia-persiste\n"}};
  link_in(host, "proc/1/fd/0", "/dev/null");
  link_in(host, "proc/4711/fd/0", "/dev/null");
  link_in(host, "proc/4711/fd/17", "/dev/nvidia-uvm");
  link_in(host, "proc/4711/fd/18", "/dev/nvidia0");
  link_in(host, "proc/902/fd/3", "/dev/nvidiactl");
  EXPECT_THAT(looked_at(host).driver.holders,
              ElementsAre("nvidia-persiste (902)", "python3 (4711)"));
}

TEST(DriverLook, GoesThroughNoProcessesWithoutAModule) {
  const HostTree host{{"proc/4711/comm", "python3\n"}};
  link_in(host, "proc/4711/fd/17", "/dev/nvidia0");
  EXPECT_THAT(looked_at(host).driver.holders, IsEmpty());
}

TEST(DriverLook, NamesAtMostEightHolders) {
  const HostTree host{{"sys/module/nvidia/version", "580.65.06\n"}};
  for (int process = 100; process < 120; ++process) {
    const std::string at = "proc/" + std::to_string(process);
    host.file(at + "/comm", "worker\n");
    link_in(host, at + "/fd/3", "/dev/nvidia0");
  }
  const auto holders = looked_at(host).driver.holders;
  ASSERT_EQ(holders.size(), 8U);
  EXPECT_EQ(holders.front(), "worker (100)");
}

TEST(DriverLook, SeesOtherWaysOfHavingADriver) {
  const HostTree runfile{{"usr/bin/nvidia-uninstall", "ELF"}};
  EXPECT_TRUE(looked_at(runfile).driver.has_runfile);
  EXPECT_FALSE(looked_at(runfile).driver.has_container);

  const HostTree mark{{"run/nvidia/validations/.driver-ctr-ready", ""}};
  EXPECT_TRUE(looked_at(mark).driver.has_container);

  HostFacts mounted;
  host::Mount mount;
  mount.mount_point = "/run/nvidia/driver";
  mounted.storage.mounts = {mount};
  look_at_driver(HostTree().root(), mounted);
  EXPECT_TRUE(mounted.driver.has_container);
}

TEST(DriverLook, KnowsTheFunctionThatManagesNvlink) {
  const HostTree host;
  host.file("sys/class/infiniband/mlx5_0/device/vpd",
            std::string("\x82\x10\0MT4129", 9));
  EXPECT_FALSE(looked_at(host).machine.manages_nvlink);
  host.file("sys/class/infiniband/mlx5_4/device/vpd",
            std::string("\x82\x10\0V3 SW_MNG", 12));
  EXPECT_TRUE(looked_at(host).machine.manages_nvlink);
}

TEST(DriverLook, PassesOverTornParams) {
  EXPECT_THAT(parse_module_params(""), IsEmpty());
  EXPECT_THAT(parse_module_params("\n: 1\nhalf"),
              ElementsAre(Pair("half", "")));
  EXPECT_THAT(parse_module_params("A: \"\"\nB: \"\n"),
              ElementsAre(Pair("A", ""), Pair("B", "\"")));
}

}  // namespace
}  // namespace gpunode::facts
