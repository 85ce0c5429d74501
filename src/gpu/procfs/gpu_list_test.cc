#include "gpu/procfs/gpu_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::procfs {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

// As a 580 driver prints it.
std::string information(const std::string& uuid, unsigned minor,
                        const std::string& excluded = "No") {
  return "Model: \t\t NVIDIA H100 80GB HBM3\n"
         "IRQ:   \t\t 41\n"
         "GPU UUID: \t " +
         uuid +
         "\n"
         "Video BIOS: \t 96.00.da.00.0c\n"
         "Bus Type: \t PCIe\n"
         "Device Minor: \t " +
         std::to_string(minor) +
         "\n"
         "GPU Firmware: \t 580.159.04\n"
         "GPU Excluded:\t " +
         excluded + "\n";
}

struct Host : host::HostTree {
  Host()
      : HostTree{{"proc/driver/nvidia/version",
                  "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  "
                  "580.159.04  Release Build  (nixbld@)  \n"}} {}

  void add(const std::string& bus_id, const std::string& text) const {
    file("proc/driver/nvidia/gpus/" + bus_id + "/information", text);
  }
};

TEST(GpuList, IsInPciOrderWhateverTheMinors) {
  const Host host;
  host.add("10000:01:00.0", information("GPU-d", 0));
  host.add("0000:5e:00.0", information("GPU-b", 2));
  host.add("0000:3b:00.0", information("GPU-a", 3));
  host.add("0000:c1:00.0", information("GPU-c", 1));
  host.file("sys/bus/pci/devices/0000:3b:00.0/numa_node", "1\n");
  const auto inventory = list_gpus(host.root());
  ASSERT_TRUE(inventory) << inventory.error().message();
  EXPECT_EQ(inventory->driver_version, "580.159.04");
  ASSERT_THAT(inventory->gpus, SizeIs(4));
  EXPECT_THAT(inventory->lost, IsEmpty());
  std::string ids;
  for (const device::Gpu& gpu : inventory->gpus) ids += gpu.id.value + " ";
  EXPECT_EQ(ids, "GPU-a GPU-b GPU-c GPU-d ");
  const device::Gpu& first = inventory->gpus[0];
  EXPECT_EQ(first.index.value, 0U);
  EXPECT_EQ(first.minor.value, 3U);
  EXPECT_EQ(first.name, "NVIDIA H100 80GB HBM3");
  EXPECT_EQ(first.pci_bus_id, "0000:3b:00.0");
  EXPECT_EQ(first.numa_node, 1U);
  EXPECT_FALSE(first.mig_capable);
}

TEST(GpuList, LeavesOutExcludedGpusAndCountsOn) {
  const Host host;
  host.add("0000:01:00.0", information("GPU-a", 0));
  host.add("0000:02:00.0", information("GPU-b", 1, "Yes"));
  host.add("0000:03:00.0", information("GPU-c", 2));
  const auto inventory = list_gpus(host.root());
  ASSERT_TRUE(inventory);
  ASSERT_THAT(inventory->gpus, SizeIs(2));
  EXPECT_EQ(inventory->gpus[1].id.value, "GPU-c");
  EXPECT_EQ(inventory->gpus[1].index.value, 1U);
}

TEST(GpuList, LosesOnlyTheGpuThatCannotBeRead) {
  const Host host;
  host.add("0000:01:00.0", "garbage\n");
  host.directory("proc/driver/nvidia/gpus/0000:02:00.0");
  host.directory("proc/driver/nvidia/gpus/not-a-gpu");
  host.add("0000:03:00.0", information("GPU-c", 2));
  const auto inventory = list_gpus(host.root());
  ASSERT_TRUE(inventory);
  ASSERT_THAT(inventory->gpus, SizeIs(1));
  EXPECT_EQ(inventory->gpus[0].index.value, 2U);
  ASSERT_THAT(inventory->lost, SizeIs(2));
  EXPECT_EQ(inventory->lost[0].reason,
            "/proc/driver/nvidia/gpus/0000:01:00.0/information: no device "
            "minor in it");
}

TEST(GpuList, HasNoUuidBeforeTheDriverReadsIt) {
  const Host host;
  // "GPU-" and question marks where the digits will be.
  std::string unread = "GPU";
  for (const std::size_t digits : {8U, 4U, 4U, 4U, 12U}) {
    unread += "-" + std::string(digits, '?');
  }
  host.add("0000:01:00.0", information(unread, 0));
  const auto inventory = list_gpus(host.root());
  ASSERT_TRUE(inventory);
  ASSERT_THAT(inventory->gpus, SizeIs(1));
  EXPECT_EQ(inventory->gpus[0].id.value, "");
}

TEST(GpuList, FindsMigDevicesByTheirCapabilities) {
  const Host host;
  host.add("0000:01:00.0", information("GPU-a", 0));
  host.add("0000:02:00.0", information("GPU-b", 1));
  const std::string mig = "proc/driver/nvidia/capabilities/gpu0/mig/";
  for (const char* instance : {"gi10/ci0", "gi2/ci1", "gi2/ci0"}) {
    host.file(mig + instance + "/access", "");
  }
  host.file(mig + "gi2/access", "");
  host.file("proc/driver/nvidia-caps/mig-minors",
            "gpu0/gi2/access 21\ngpu0/gi2/ci0/access 22\n"
            "gpu0/gi2/ci1/access 23\ngpu0/gi10/access 93\n");
  // MIG can be turned on there, and is not.
  host.directory("proc/driver/nvidia/capabilities/gpu1/mig");
  const std::vector<MigUuid> uuids = {{{0}, 2, 1, 5, {"MIG-x"}},
                                      {{1}, 2, 0, 0, {"MIG-other"}}};
  const auto inventory = list_gpus(host.root(), uuids);
  ASSERT_TRUE(inventory);
  const device::Gpu& gpu = inventory->gpus.at(0);
  EXPECT_TRUE(gpu.mig_enabled);
  ASSERT_THAT(gpu.mig_devices, SizeIs(3));
  EXPECT_EQ(gpu.mig_devices[0].gpu_instance, 2U);
  EXPECT_EQ(gpu.mig_devices[0].compute_instance, 0U);
  EXPECT_EQ(gpu.mig_devices[0].id.value, "");
  EXPECT_EQ(gpu.mig_devices[0].gpu_instance_cap_path,
            "/dev/nvidia-caps/nvidia-cap21");
  EXPECT_EQ(gpu.mig_devices[0].compute_instance_cap_path,
            "/dev/nvidia-caps/nvidia-cap22");
  EXPECT_EQ(gpu.mig_devices[1].id.value, "MIG-x");
  // The library's number, which may have holes; without it they are counted.
  EXPECT_EQ(gpu.mig_devices[1].mig_index, 5U);
  EXPECT_EQ(gpu.mig_devices[2].mig_index, 2U);
  ASSERT_THAT(mig_uuids_of(*inventory), SizeIs(1));
  EXPECT_EQ(mig_uuids_of(*inventory)[0].id.value, "MIG-x");
  EXPECT_EQ(mig_uuids_of(*inventory)[0].mig_index, 5U);
  EXPECT_EQ(gpu.mig_devices[2].gpu_instance, 10U);
  EXPECT_EQ(gpu.mig_devices[2].compute_instance_cap_path, "");
  EXPECT_TRUE(inventory->gpus.at(1).mig_capable);
  EXPECT_FALSE(inventory->gpus.at(1).mig_enabled);
}

TEST(GpuList, OfAHostWithoutDriverIsAnError) {
  const host::HostTree host;
  const auto inventory = list_gpus(host.root());
  ASSERT_FALSE(inventory);
  EXPECT_EQ(inventory.error().code(), ErrorCode::kNotFound);
}

TEST(GpuList, OfADriverWithoutGpusIsEmpty) {
  const Host host;
  const auto inventory = list_gpus(host.root());
  ASSERT_TRUE(inventory);
  EXPECT_THAT(inventory->gpus, IsEmpty());
}

}  // namespace
}  // namespace gpunode::procfs
