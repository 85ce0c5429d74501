#include "agent/resource/replication.h"

#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/resource/simulated_node.h"

namespace gpunode::resource {
namespace {

using config::MigStrategy;
using config::ReplicatedResource;
using config::Settings;
using config::SharingStrategy;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::StartsWith;

ReplicatedResource entry(std::uint64_t replicas,
                         config::DeviceSelection devices = config::AllDevices{},
                         const std::string& rename = "nvidia.com/gpu") {
  return {"nvidia.com/gpu", rename, std::move(devices), replicas};
}

Settings time_slicing(std::vector<ReplicatedResource> entries) {
  Settings settings;
  settings.custom_sharing = true;
  settings.time_slicing.emplace();
  settings.time_slicing->resources = std::move(entries);
  return settings;
}

struct Outcome {
  std::vector<Resource> resources;
  Problems problems;
};

Outcome replicated(const device::Inventory& node, const Settings& settings) {
  Outcome outcome;
  auto groups = group_devices(node, settings.mig_strategy, outcome.problems);
  outcome.resources = replicate(std::move(groups), settings, outcome.problems);
  return outcome;
}

/// Resource, then how many Replicas each of its Devices has.
std::vector<std::pair<std::string, std::vector<std::uint32_t>>> shape(
    const Outcome& outcome) {
  std::vector<std::pair<std::string, std::vector<std::uint32_t>>> shape;
  for (const Resource& resource : outcome.resources) {
    std::vector<std::uint32_t> replicas;
    for (const Device& device : resource.devices()) {
      replicas.push_back(device.replicas);
    }
    shape.emplace_back(resource.name().value(), replicas);
  }
  return shape;
}

std::vector<std::string> messages(const Outcome& outcome) {
  std::vector<std::string> texts;
  for (const Problem& problem : outcome.problems) {
    texts.push_back(problem.message);
  }
  return texts;
}

TEST(Replication, LeavesResourcesAloneWithoutSharing) {
  const auto outcome = replicated(simulated_node(2), Settings{});
  EXPECT_THAT(shape(outcome),
              ElementsAre(Pair("nvidia.com/gpu", ElementsAre(0U, 0U))));
  EXPECT_EQ(outcome.resources[0].sharing().strategy, SharingStrategy::kNone);
}

TEST(Replication, CountsPerDevice) {
  auto settings = time_slicing({entry(20)});
  settings.time_slicing->fail_requests_greater_than_one = true;
  const auto outcome = replicated(simulated_node(4), settings);
  ASSERT_THAT(shape(outcome),
              ElementsAre(Pair("nvidia.com/gpu", ElementsAre(20, 20, 20, 20))));
  EXPECT_EQ(outcome.resources[0].replica_count(), 80U);
  EXPECT_EQ(outcome.resources[0].sharing().strategy,
            SharingStrategy::kTimeSlicing);
  EXPECT_TRUE(outcome.resources[0].sharing().fail_requests_greater_than_one);
}

TEST(Replication, ReplacesTheNameWhenRenamed) {
  auto settings =
      time_slicing({entry(4, config::AllDevices{}, "nvidia.com/gpu.shared")});
  EXPECT_THAT(shape(replicated(simulated_node(1), settings)),
              ElementsAre(Pair("nvidia.com/gpu.shared", ElementsAre(4))));
}

TEST(Replication, RenamesByDefaultWhereNoNameIsGiven) {
  auto settings = time_slicing({entry(4, config::AllDevices{}, "")});
  settings.time_slicing->rename_by_default = true;
  EXPECT_THAT(shape(replicated(simulated_node(1), settings)),
              ElementsAre(Pair("nvidia.com/gpu.shared", ElementsAre(4))));
}

TEST(Replication, IgnoresEntriesWithoutDevicesSilently) {
  auto other = entry(4);
  other.name = other.rename = "nvidia.com/mig-1g.5gb";
  const auto outcome = replicated(simulated_node(1), time_slicing({other}));
  EXPECT_THAT(shape(outcome),
              ElementsAre(Pair("nvidia.com/gpu", ElementsAre(0))));
  EXPECT_EQ(outcome.resources[0].sharing().strategy, SharingStrategy::kNone);
  EXPECT_THAT(outcome.problems, IsEmpty());
}

TEST(Replication, OfOneNameTwiceOffersTheUnion) {
  EXPECT_THAT(
      shape(replicated(simulated_node(1), time_slicing({entry(3), entry(5)}))),
      ElementsAre(Pair("nvidia.com/gpu", ElementsAre(5))));
  EXPECT_THAT(
      shape(replicated(simulated_node(1), time_slicing({entry(5), entry(3)}))),
      ElementsAre(Pair("nvidia.com/gpu", ElementsAre(5))));
}

TEST(Replication, SharesMixedMigResourcesEachByItsName) {
  auto node = simulated_node(2);
  add_mig(node.gpus[1]);
  add_mig(node.gpus[1], "2g.10gb", 2);
  auto mig = entry(3);
  mig.name = "nvidia.com/mig-1g.5gb";
  mig.rename = "nvidia.com/mig-1g.5gb.shared";
  auto settings = time_slicing({mig});
  settings.mig_strategy = MigStrategy::kMixed;
  EXPECT_THAT(shape(replicated(node, settings)),
              ElementsAre(Pair("nvidia.com/gpu", ElementsAre(0)),
                          Pair("nvidia.com/mig-1g.5gb.shared", ElementsAre(3)),
                          Pair("nvidia.com/mig-2g.10gb", ElementsAre(0))));
}

TEST(Replication, NeverOffersMigDevicesUnderMps) {
  auto node = simulated_node(1);
  add_mig(node.gpus[0]);
  Settings settings;
  settings.mig_strategy = MigStrategy::kSingle;
  settings.mps.emplace();
  settings.mps->resources = {entry(4)};
  const auto outcome = replicated(node, settings);
  EXPECT_THAT(outcome.resources, IsEmpty());
  ASSERT_THAT(
      messages(outcome),
      ElementsAre("sharing using MPS is not supported for MIG devices"));
  EXPECT_EQ(outcome.problems[0].effect, Problem::Effect::kResourceLeftOut);
  EXPECT_EQ(outcome.problems[0].resource, "nvidia.com/gpu");
}

TEST(Replication, UnderMpsSaysSo) {
  Settings settings;
  settings.mps.emplace();
  settings.mps->resources = {entry(4)};
  const auto outcome = replicated(simulated_node(1), settings);
  ASSERT_EQ(outcome.resources.size(), 1U);
  EXPECT_EQ(outcome.resources[0].sharing().strategy, SharingStrategy::kMps);
}

TEST(Replication, OfACountTakesTheFirstDevicesAndLeavesTheRestUnshared) {
  const auto outcome = replicated(
      simulated_node(3), time_slicing({entry(4, config::DeviceCount{2})}));
  EXPECT_THAT(shape(outcome),
              ElementsAre(Pair("nvidia.com/gpu", ElementsAre(4, 4, 0))));
  EXPECT_EQ(outcome.resources[0].replica_count(), 9U);
}

TEST(Replication, OfACountThatIsTooLargeTakesWhatThereIsAndSaysSo) {
  const auto outcome = replicated(
      simulated_node(3), time_slicing({entry(4, config::DeviceCount{4})}));
  EXPECT_THAT(shape(outcome),
              ElementsAre(Pair("nvidia.com/gpu", ElementsAre(4, 4, 4))));
  EXPECT_THAT(messages(outcome),
              ElementsAre("requested 4 devices to be replicated, but only 3 "
                          "devices available"));
}

TEST(Replication, OfAListTakesIndicesAndUuids) {
  const auto outcome = replicated(
      simulated_node(4),
      time_slicing({entry(2, config::DeviceRefs{{"3", uuid_of(1), "3"}})}));
  EXPECT_THAT(shape(outcome),
              ElementsAre(Pair("nvidia.com/gpu", ElementsAre(0, 2, 0, 2))));
  EXPECT_THAT(outcome.problems, IsEmpty());
}

TEST(Replication, OfAListTakesMigIndicesAndUuids) {
  auto node = simulated_node(1);
  for (int i = 0; i < 3; ++i) add_mig(node.gpus[0]);
  auto settings = time_slicing({entry(
      2, config::DeviceRefs{{"0:1", node.gpus[0].mig_devices[2].id.value}})});
  settings.mig_strategy = MigStrategy::kSingle;
  EXPECT_THAT(shape(replicated(node, settings)),
              ElementsAre(Pair("nvidia.com/gpu", ElementsAre(0, 2, 2))));
}

TEST(Replication, OfAListSharesTheDevicesThatAreThereAndNamesTheOthers) {
  const auto outcome = replicated(
      simulated_node(2),
      time_slicing({entry(2, config::DeviceRefs{{"1", "7", "0:0", "GPU-x"}})}));
  EXPECT_THAT(shape(outcome),
              ElementsAre(Pair("nvidia.com/gpu", ElementsAre(0, 2))));
  EXPECT_THAT(messages(outcome),
              ElementsAre("no matching device at index: 7",
                          "no matching device at index: 0:0",
                          "no matching device with UUID: GPU-x"));
}

TEST(Replication, MayGiveEachDeviceItsOwnCountAndName) {
  const auto outcome = replicated(
      simulated_node(4),
      time_slicing({entry(10, config::DeviceRefs{{"0"}}),
                    entry(4, config::DeviceRefs{{"1"}}),
                    entry(2, config::DeviceRefs{{"2"}}, "nvidia.com/half")}));
  EXPECT_THAT(shape(outcome),
              ElementsAre(Pair("nvidia.com/gpu", ElementsAre(10, 4, 0)),
                          Pair("nvidia.com/half", ElementsAre(2))));
}

TEST(Replication, IgnoresDeviceListsUnlessToldToHonourThem) {
  auto settings = time_slicing({entry(4, config::DeviceCount{1})});
  settings.custom_sharing = false;
  EXPECT_THAT(shape(replicated(simulated_node(2), settings)),
              ElementsAre(Pair("nvidia.com/gpu", ElementsAre(4, 4))));
}

TEST(Replication, RefusesMoreThanTheKubeletTakes) {
  const auto most =
      replicated(simulated_node(2), time_slicing({entry(25'000)}));
  ASSERT_EQ(most.resources.size(), 1U);
  EXPECT_EQ(most.resources[0].replica_count(), kMaxReplicaCount);

  for (const std::uint64_t replicas : std::vector<std::uint64_t>{
           25'001, 1'000'000'000, UINT64_MAX, (1ULL << 32U) + 2}) {
    const auto more =
        replicated(simulated_node(2), time_slicing({entry(replicas)}));
    EXPECT_THAT(more.resources, IsEmpty());
    ASSERT_EQ(more.problems.size(), 1U);
    EXPECT_EQ(more.problems[0].effect, Problem::Effect::kResourceLeftOut);
    EXPECT_THAT(more.problems[0].message, testing::HasSubstr("50000 ids"));
  }
}

TEST(Replication, RefusesAnInvalidNewName) {
  const auto outcome = replicated(
      simulated_node(1),
      time_slicing({entry(2, config::AllDevices{}, "nvidia.com/No")}));
  EXPECT_THAT(outcome.resources, IsEmpty());
  EXPECT_THAT(messages(outcome),
              ElementsAre(StartsWith(
                  "incorrect format for resource name 'nvidia.com/No'")));
}

TEST(Replication, OfOneResourceFailsWithoutTheOthers) {
  auto node = simulated_node(2);
  add_mig(node.gpus[1]);
  auto settings = time_slicing({entry(1'000'000)});
  settings.mig_strategy = MigStrategy::kMixed;
  EXPECT_THAT(shape(replicated(node, settings)),
              ElementsAre(Pair("nvidia.com/mig-1g.5gb", ElementsAre(0))));
}

}  // namespace
}  // namespace gpunode::resource
