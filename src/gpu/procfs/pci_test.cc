#include "gpu/procfs/pci.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::procfs {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

struct Function {
  std::string bus_id;
  std::string vendor = "0x10de";
  std::string pci_class = "0x030200";
  std::string device = "0x2237";
};

void add(const host::HostTree& host, const Function& function) {
  const std::string at = "sys/bus/pci/devices/" + function.bus_id + "/";
  host.file(at + "vendor", function.vendor + "\n");
  host.file(at + "class", function.pci_class + "\n");
  host.file(at + "device", function.device + "\n");
}

TEST(PciGpus, AreNvidiasDisplayAnd3dFunctionsInBusOrder) {
  const host::HostTree host;
  add(host, {.bus_id = "0000:5e:00.0"});
  add(host, {.bus_id = "0000:3b:00.0", .pci_class = "0x030000"});
  add(host, {.bus_id = "0000:3b:00.1", .pci_class = "0x040300"});  // Audio.
  add(host, {.bus_id = "0000:00:02.0", .vendor = "0x8086"});
  add(host, {.bus_id = "0000:c1:00.0", .pci_class = "0x068000"});  // NVSwitch.
  const std::vector<PciGpu> gpus = list_pci_gpus(host.root());
  ASSERT_THAT(gpus, SizeIs(2));
  EXPECT_EQ(gpus[0].bus_id, "0000:3b:00.0");
  EXPECT_EQ(gpus[0].pci_class, 0x030000U);
  EXPECT_EQ(gpus[1].bus_id, "0000:5e:00.0");
  EXPECT_EQ(gpus[1].device, 0x2237);
}

TEST(PciGpus, AreListedWithNvSwitchesOnRequest) {
  const host::HostTree host;
  add(host, {.bus_id = "0000:3b:00.0"});
  add(host, {.bus_id = "0000:3b:00.1", .pci_class = "0x040300"});
  add(host,
      {.bus_id = "0000:c1:00.0", .pci_class = "0x068000", .device = "0x22a3"});
  add(host,
      {.bus_id = "0000:c2:00.0", .vendor = "0x8086", .pci_class = "0x068000"});
  const std::vector<PciGpu> found = list_pci_gpus_and_switches(host.root());
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_FALSE(found[0].is_switch());
  EXPECT_EQ(found[1].bus_id, "0000:c1:00.0");
  EXPECT_EQ(found[1].device, 0x22a3);
  EXPECT_TRUE(found[1].is_switch());
}

TEST(PciGpus, TellTheirKernelDriver) {
  const host::HostTree host;
  add(host, {.bus_id = "0000:3b:00.0"});
  add(host, {.bus_id = "0000:5e:00.0"});
  host.link("sys/bus/pci/devices/0000:3b:00.0/driver",
            "../../../../bus/pci/drivers/nouveau");
  const std::vector<PciGpu> gpus = list_pci_gpus(host.root());
  ASSERT_THAT(gpus, SizeIs(2));
  EXPECT_EQ(gpus[0].driver, "nouveau");
  EXPECT_EQ(gpus[1].driver, "");
}

TEST(PciGpus, AreNoneWithoutPci) {
  const host::HostTree host;
  EXPECT_THAT(list_pci_gpus(host.root()), IsEmpty());
}

TEST(PciGpus, LeaveOutFunctionsThatSayNonsense) {
  const host::HostTree host;
  add(host, {.bus_id = "0000:3b:00.0", .pci_class = "zebra"});
  add(host, {.bus_id = "0000:5e:00.0", .vendor = ""});
  host.directory("sys/bus/pci/devices/0000:60:00.0");
  EXPECT_THAT(list_pci_gpus(host.root()), IsEmpty());
}

TEST(NumaNode, IsReadFromSysfs) {
  const host::HostTree host{
      {"sys/bus/pci/devices/0000:3b:00.0/numa_node", "3\n"}};
  EXPECT_EQ(numa_node_of(host.root(), "0000:3b:00.0"), 3U);
}

TEST(NumaNode, IsAbsentWhenTheKernelKnowsNone) {
  const host::HostTree host{
      {"sys/bus/pci/devices/a/numa_node", "-1\n"},
      {"sys/bus/pci/devices/b/numa_node", "\n"},
      {"sys/bus/pci/devices/c/numa_node", "1x\n"},
  };
  for (const char* bus_id : {"a", "b", "c", "d", "", "../a"}) {
    EXPECT_EQ(numa_node_of(host.root(), bus_id), std::nullopt) << bus_id;
  }
}

TEST(PciGpus, AreDescribedForPeople) {
  EXPECT_EQ(describe_pci_gpus({}), "no NVIDIA GPU on the PCI bus");
  PciGpu gpu;
  gpu.bus_id = "0000:3b:00.0";
  gpu.device = 0x2237;
  EXPECT_EQ(describe_pci_gpus({gpu}),
            "1 NVIDIA GPU on the PCI bus: 0000:3b:00.0 (10de:2237, no driver "
            "bound)");
  gpu.driver = "nouveau";
  EXPECT_EQ(describe_pci_gpus({gpu, gpu}),
            "2 NVIDIA GPUs on the PCI bus: 0000:3b:00.0 (10de:2237, driver "
            "nouveau), 0000:3b:00.0 (10de:2237, driver nouveau)");
  gpu.device = 0;
  EXPECT_EQ(describe_pci_gpus({gpu}),
            "1 NVIDIA GPU on the PCI bus: 0000:3b:00.0 (its device id cannot "
            "be read, driver nouveau)");
  EXPECT_THAT(describe_pci_gpus(std::vector<PciGpu>(8, gpu)),
              testing::EndsWith(" and 4 more"));
}

}  // namespace
}  // namespace gpunode::procfs
