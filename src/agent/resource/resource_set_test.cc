#include "agent/resource/resource_set.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/resource/simulated_node.h"

namespace gpunode::resource {
namespace {

using testing::IsEmpty;

TEST(ResourceSet, OfANodeWithoutGpusIsEmpty) {
  const auto set = build_resources({}, {});
  EXPECT_THAT(set.resources, IsEmpty());
  EXPECT_THAT(set.problems, IsEmpty());
}

TEST(ResourceSet, HasTheOrderOfTheIndicesWhateverThatOfTheInventory) {
  auto node = simulated_node(12);
  std::reverse(node.gpus.begin(), node.gpus.end());
  const auto set = build_resources(node, {});
  ASSERT_EQ(set.resources.size(), 1U);
  const auto& devices = set.resources[0].devices();
  ASSERT_EQ(devices.size(), 12U);
  for (unsigned i = 0; i < 12; ++i) {
    EXPECT_EQ(devices[i].id.value, uuid_of(i));
    EXPECT_EQ(devices[i].topology_row, 11 - i);
  }
}

TEST(ResourceSet, NamesLostGpusAndOffersTheOthers) {
  auto node = simulated_node(2);
  node.lost.push_back({{2}, std::nullopt, "GPU is lost"});
  const auto set = build_resources(node, {});
  ASSERT_EQ(set.resources.size(), 1U);
  EXPECT_EQ(set.resources[0].replica_count(), 2U);
  ASSERT_EQ(set.problems.size(), 1U);
  EXPECT_EQ(set.problems[0].message, "device 2 is lost: GPU is lost");
}

TEST(ResourceSet, CountsFromAnySharingOfTheSeed) {
  auto node = simulated_node(1);
  config::Settings settings;
  settings.time_slicing.emplace();
  settings.time_slicing->resources = {
      {"nvidia.com/gpu", "nvidia.com/gpu", config::AllDevices{}, 20}};
  const auto set = build_resources(node, settings);
  ASSERT_EQ(set.resources.size(), 1U);
  const Resource& resource = set.resources[0];
  EXPECT_EQ(resource.replica_count(), 20U);
  EXPECT_EQ(resource.id_at(0), uuid_of(0) + "::0");
  EXPECT_EQ(resource.id_at(19), uuid_of(0) + "::19");
}

}  // namespace
}  // namespace gpunode::resource
