#include "agent/resource/device_groups.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/resource/simulated_node.h"

namespace gpunode::resource {
namespace {

using config::MigStrategy;
using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> index_texts(const DeviceGroups& groups,
                                     const std::string& name) {
  std::vector<std::string> texts;
  const auto group = groups.find(*ResourceName::parse(name));
  if (group == groups.end()) return texts;
  for (const Device& device : group->second) texts.push_back(device.index_text);
  return texts;
}

std::vector<std::string> messages(const Problems& problems) {
  std::vector<std::string> texts;
  texts.reserve(problems.size());
  for (const Problem& problem : problems) texts.push_back(problem.message);
  return texts;
}

TEST(DeviceGroups, DescribeAFullGpu) {
  auto node = simulated_node(2);
  node.gpus[1].minor = {5};
  node.gpus[1].numa_node = 1;
  Problems problems;
  const auto groups = group_devices(node, MigStrategy::kNone, problems);
  ASSERT_EQ(groups.size(), 1U);
  const Device& device = groups.begin()->second.at(1);
  EXPECT_EQ(groups.begin()->first.value(), "nvidia.com/gpu");
  EXPECT_EQ(device.id.value, uuid_of(1));
  EXPECT_EQ(device.gpu_id.value, uuid_of(1));
  EXPECT_EQ(device.index_text, "1");
  EXPECT_THAT(device.nodes, ElementsAre("/dev/nvidia5"));
  EXPECT_EQ(device.numa_node, 1U);
  EXPECT_EQ(device.compute_major, 7);
  EXPECT_EQ(device.compute_minor, 5);
  EXPECT_EQ(device.memory_bytes, 17179869184U);
  EXPECT_EQ(device.topology_row, 1U);
  EXPECT_FALSE(device.is_mig());
  EXPECT_THAT(problems, IsEmpty());
}

TEST(DeviceGroups, OfAMigDeviceCarryItsParentAndCapabilityNodes) {
  auto node = simulated_node(1);
  node.gpus[0].minor = {3};
  node.gpus[0].numa_node = 0;
  add_mig(node.gpus[0]);
  add_mig(node.gpus[0]);
  Problems problems;
  const auto groups = group_devices(node, MigStrategy::kMixed, problems);
  ASSERT_EQ(groups.size(), 1U);
  EXPECT_EQ(groups.begin()->first.value(), "nvidia.com/mig-1g.5gb");
  const Device& device = groups.begin()->second.at(1);
  EXPECT_EQ(device.gpu_id.value, uuid_of(0));
  EXPECT_EQ(device.index_text, "0:1");
  EXPECT_EQ(device.gpu_instance, 8U);
  EXPECT_EQ(device.compute_instance, 0U);
  EXPECT_THAT(device.nodes,
              ElementsAre("/dev/nvidia3", "/dev/nvidia-caps/nvidia-cap75",
                          "/dev/nvidia-caps/nvidia-cap76"));
  EXPECT_EQ(device.numa_node, 0U);
  EXPECT_EQ(device.memory_bytes, 4864ULL << 20U);
}

TEST(DeviceGroups, UnderNoneAreGpusWhateverTheirMigMode) {
  auto node = simulated_node(3);
  add_mig(node.gpus[1]);
  node.gpus[2].mig_enabled = true;
  Problems problems;
  const auto groups = group_devices(node, MigStrategy::kNone, problems);
  EXPECT_THAT(index_texts(groups, "nvidia.com/gpu"),
              ElementsAre("0", "1", "2"));
  EXPECT_THAT(problems, IsEmpty());
}

TEST(DeviceGroups, UnderSingleAreMigDevicesUnderTheFullGpusName) {
  auto node = simulated_node(2);
  for (auto& gpu : node.gpus) {
    add_mig(gpu);
    add_mig(gpu);
  }
  Problems problems;
  const auto groups = group_devices(node, MigStrategy::kSingle, problems);
  EXPECT_EQ(groups.size(), 1U);
  EXPECT_THAT(index_texts(groups, "nvidia.com/gpu"),
              ElementsAre("0:0", "0:1", "1:0", "1:1"));
  EXPECT_THAT(problems, IsEmpty());
}

TEST(DeviceGroups, UnderSingleWithoutMigAreFullGpus) {
  Problems problems;
  const auto groups =
      group_devices(simulated_node(2), MigStrategy::kSingle, problems);
  EXPECT_THAT(index_texts(groups, "nvidia.com/gpu"), ElementsAre("0", "1"));
}

TEST(DeviceGroups, UnderSingleRefuseTwoTypesOfMigDevice) {
  auto node = simulated_node(2);
  add_mig(node.gpus[0]);
  add_mig(node.gpus[1], "2g.10gb", 2);
  Problems problems;
  EXPECT_THAT(group_devices(node, MigStrategy::kSingle, problems), IsEmpty());
  ASSERT_THAT(messages(problems),
              ElementsAre("more than one MIG device type present on node"));
  EXPECT_EQ(problems[0].effect, Problem::Effect::kResourceLeftOut);
  EXPECT_EQ(problems[0].resource, "nvidia.com/gpu");
}

TEST(DeviceGroups, UnderSingleRefuseFullGpusBesideMigDevices) {
  auto node = simulated_node(2);
  add_mig(node.gpus[1]);
  Problems problems;
  EXPECT_THAT(group_devices(node, MigStrategy::kSingle, problems), IsEmpty());
  EXPECT_THAT(messages(problems),
              ElementsAre("all devices on the node must be configured with the "
                          "same migEnabled value"));
}

TEST(DeviceGroups, UnderSingleLeaveOutAnEmptyMigGpuAlone) {
  auto node = simulated_node(3);
  add_mig(node.gpus[0]);
  node.gpus[1].mig_enabled = true;
  add_mig(node.gpus[2]);
  Problems problems;
  const auto groups = group_devices(node, MigStrategy::kSingle, problems);
  EXPECT_THAT(index_texts(groups, "nvidia.com/gpu"), ElementsAre("0:0", "2:0"));
  EXPECT_THAT(messages(problems),
              ElementsAre("device 1 has no MIG devices configured"));
  EXPECT_EQ(problems[0].effect, Problem::Effect::kDeviceLeftOut);
}

TEST(DeviceGroups, UnderMixedNameMigDevicesByProfile) {
  auto node = simulated_node(4);
  add_mig(node.gpus[1]);
  add_mig(node.gpus[1], "1g.10gb+me");
  add_mig(node.gpus[2], "3g.20gb", 3);
  add_mig(node.gpus[2], "1g.24gb-me");
  node.gpus[3].mig_enabled = true;
  Problems problems;
  const auto groups = group_devices(node, MigStrategy::kMixed, problems);
  EXPECT_EQ(groups.size(), 5U);
  EXPECT_THAT(index_texts(groups, "nvidia.com/gpu"), ElementsAre("0"));
  EXPECT_THAT(index_texts(groups, "nvidia.com/mig-1g.5gb"), ElementsAre("1:0"));
  EXPECT_THAT(index_texts(groups, "nvidia.com/mig-1g.10gb.me"),
              ElementsAre("1:1"));
  EXPECT_THAT(index_texts(groups, "nvidia.com/mig-3g.20gb"),
              ElementsAre("2:0"));
  EXPECT_THAT(index_texts(groups, "nvidia.com/mig-1g.24gb-me"),
              ElementsAre("2:1"));
  EXPECT_THAT(messages(problems),
              ElementsAre("device 3 has no MIG devices configured"));
}

TEST(DeviceGroups, UnderMixedLeaveOutAComputeSliceAlone) {
  auto node = simulated_node(1);
  add_mig(node.gpus[0], "2g.10gb", 2);
  add_mig(node.gpus[0], "1c.2g.10gb", 2).attributes.compute_instance_slices = 1;
  add_mig(node.gpus[0], "", 1);
  Problems problems;
  const auto groups = group_devices(node, MigStrategy::kMixed, problems);
  EXPECT_EQ(groups.size(), 1U);
  EXPECT_THAT(index_texts(groups, "nvidia.com/mig-2g.10gb"),
              ElementsAre("0:0"));
  EXPECT_THAT(
      messages(problems),
      ElementsAre("MIG profile '1c.2g.10gb' does not match any resource "
                  "patterns",
                  "MIG profile '' does not match any resource patterns"));
}

TEST(DeviceGroups, UnderSingleAcceptComputeSlices) {
  auto node = simulated_node(1);
  for (int i = 0; i < 2; ++i) {
    add_mig(node.gpus[0], "1c.2g.10gb", 2).attributes.compute_instance_slices =
        1;
  }
  Problems problems;
  const auto groups = group_devices(node, MigStrategy::kSingle, problems);
  EXPECT_THAT(index_texts(groups, "nvidia.com/gpu"), ElementsAre("0:0", "0:1"));
}

TEST(DeviceGroups, LeaveOutAMigDeviceWithoutItsCapabilityNodesAlone) {
  auto node = simulated_node(1);
  node.gpus[0].minor = {4};
  add_mig(node.gpus[0]);
  add_mig(node.gpus[0]).gpu_instance_cap_path.clear();
  add_mig(node.gpus[0]).compute_instance_cap_path.clear();
  for (const MigStrategy strategy :
       {MigStrategy::kSingle, MigStrategy::kMixed}) {
    Problems problems;
    const auto groups = group_devices(node, strategy, problems);
    ASSERT_EQ(groups.size(), 1U);
    EXPECT_THAT(index_texts(groups, groups.begin()->first.value()),
                ElementsAre("0:0"));
    EXPECT_THAT(
        messages(problems),
        ElementsAre("missing MIG GPU instance capability path: "
                    "/proc/driver/nvidia/capabilities/gpu4/mig/gi8/access",
                    "missing MIG compute instance capability path: "
                    "/proc/driver/nvidia/capabilities/gpu4/mig/gi9/ci0/"
                    "access"));
  }
}

TEST(DeviceGroups, SkipTheScreenOfADgxStation) {
  auto node = simulated_node(3);
  node.gpus[0].name = "NVIDIA DGX Display";
  node.gpus[2].name = "DGX Display";
  Problems problems;
  const auto groups = group_devices(node, MigStrategy::kNone, problems);
  EXPECT_THAT(index_texts(groups, "nvidia.com/gpu"), ElementsAre("1"));
  EXPECT_EQ(groups.begin()->second[0].topology_row, 1U);
  EXPECT_THAT(problems, IsEmpty());
}

TEST(DeviceGroups, LeaveOutADeviceWhoseUuidCouldNotBeListed) {
  for (const char* uuid : {"", "GPU-1,GPU-2", "GPU-1::0", "GPU 1", "GPU-\n"}) {
    auto node = simulated_node(2);
    node.gpus[0].id.value = uuid;
    Problems problems;
    const auto groups = group_devices(node, MigStrategy::kNone, problems);
    EXPECT_THAT(index_texts(groups, "nvidia.com/gpu"), ElementsAre("1"));
    EXPECT_EQ(problems.size(), 1U) << uuid;
  }
}

TEST(DeviceGroups, HoldEachUuidOnce) {
  auto node = simulated_node(2);
  node.gpus[1].id = node.gpus[0].id;
  Problems problems;
  const auto groups = group_devices(node, MigStrategy::kNone, problems);
  EXPECT_THAT(index_texts(groups, "nvidia.com/gpu"), ElementsAre("0"));
  EXPECT_EQ(problems.size(), 1U);
}

TEST(DeviceGroups, OfAnEmptyNodeAreNone) {
  Problems problems;
  EXPECT_THAT(group_devices({}, MigStrategy::kMixed, problems), IsEmpty());
  EXPECT_THAT(problems, IsEmpty());
}

}  // namespace
}  // namespace gpunode::resource
