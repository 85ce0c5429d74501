#include "gpu/procfs/annotation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::procfs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

device::Inventory one_gpu(unsigned minor) {
  device::Inventory inventory;
  device::Gpu gpu;
  gpu.minor = {minor};
  gpu.pci_bus_id = "0000:3b:00.0";
  inventory.gpus.push_back(gpu);
  return inventory;
}

device::Inventory one_mig_gpu(unsigned minor) {
  device::Inventory inventory = one_gpu(minor);
  device::MigDevice mig;
  mig.gpu_instance = 7;
  mig.compute_instance = 0;
  inventory.gpus[0].mig_devices.push_back(mig);
  return inventory;
}

TEST(Annotation, AddsTheNumaNode) {
  const host::HostTree host{
      {"sys/bus/pci/devices/0000:3b:00.0/numa_node", "1\n"}};
  device::Inventory inventory = one_gpu(0);
  EXPECT_THAT(annotate(inventory, host.root()), IsEmpty());
  EXPECT_EQ(inventory.gpus[0].numa_node, 1U);
}

TEST(Annotation, AddsThePciClass) {
  const host::HostTree host{
      {"sys/bus/pci/devices/0000:3b:00.0/class", "0x030200\n"}};
  device::Inventory inventory = one_gpu(0);
  EXPECT_THAT(annotate(inventory, host.root()), IsEmpty());
  EXPECT_EQ(inventory.gpus[0].pci_class, 0x030200U);
}

TEST(Annotation, AddsCapabilityPathsByMinorNotByIndex) {
  const host::HostTree host{{"proc/driver/nvidia-caps/mig-minors",
                             "gpu0/gi7/access 12\n"
                             "gpu0/gi7/ci0/access 13\n"
                             "gpu3/gi7/access 435\n"
                             "gpu3/gi7/ci0/access 436\n"}};
  device::Inventory inventory = one_mig_gpu(3);
  EXPECT_THAT(annotate(inventory, host.root()), IsEmpty());
  const device::MigDevice& mig = inventory.gpus[0].mig_devices[0];
  EXPECT_EQ(mig.gpu_instance_cap_path, "/dev/nvidia-caps/nvidia-cap435");
  EXPECT_EQ(mig.compute_instance_cap_path, "/dev/nvidia-caps/nvidia-cap436");
}

TEST(Annotation, NamesCapabilitiesThatAreMissing) {
  const host::HostTree host{{"proc/driver/nvidia-caps/mig-minors",
                             "gpu0/gi7/ci0/access 13\nrubbish\n"}};
  device::Inventory inventory = one_mig_gpu(0);
  EXPECT_THAT(
      annotate(inventory, host.root()),
      ElementsAre("/proc/driver/nvidia-caps/mig-minors:2: not a capability "
                  "and its minor: rubbish",
                  "missing MIG GPU instance capability path: "
                  "/proc/driver/nvidia/capabilities/gpu0/mig/gi7/access"));
  EXPECT_EQ(inventory.gpus[0].mig_devices[0].gpu_instance_cap_path, "");
}

TEST(Annotation, WithoutTheFileNamesEveryCapability) {
  const host::HostTree host;
  device::Inventory inventory = one_mig_gpu(0);
  EXPECT_THAT(
      annotate(inventory, host.root()),
      ElementsAre("missing MIG GPU instance capability path: "
                  "/proc/driver/nvidia/capabilities/gpu0/mig/gi7/access",
                  "missing MIG compute instance capability path: "
                  "/proc/driver/nvidia/capabilities/gpu0/mig/gi7/ci0/access"));
}

TEST(Annotation, WithoutMigNeedsNoCapabilities) {
  const host::HostTree host;
  device::Inventory inventory = one_gpu(0);
  EXPECT_THAT(annotate(inventory, host.root()), IsEmpty());
  EXPECT_EQ(inventory.gpus[0].numa_node, std::nullopt);
}

}  // namespace
}  // namespace gpunode::procfs
