#include "agent/resource/share_room.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/resource/resource_set.h"
#include "agent/resource/simulated_node.h"

namespace gpunode::resource {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

Resource in_shares(unsigned gpus) {
  config::Settings settings;
  settings.shares.emplace();
  settings.shares->resources = {
      {"nvidia.com/gpu", "nvidia.com/gpu", config::AllDevices{}, 20}};
  return build_resources(simulated_node(gpus), settings).resources.at(0);
}

bool always(const Device&) {
  return true;
}

/// The first `counts[gpu]` of each.
std::vector<std::string> held(const std::vector<unsigned>& counts) {
  std::vector<std::string> ids;
  for (unsigned gpu = 0; gpu < counts.size(); ++gpu) {
    for (unsigned n = 0; n < counts[gpu]; ++n) {
      ids.push_back(uuid_of(gpu) + "::" + std::to_string(n));
    }
  }
  return ids;
}

TEST(ShareRoom, IsTheMostThatOneGpuHasLeft) {
  const Resource resource = in_shares(2);
  EXPECT_EQ(ShareRoom(resource, {}, always).largest(), 20u);
  EXPECT_EQ(ShareRoom(resource, held({17, 16}), always).largest(), 4u);
  // An init container and the one after it hold the same ids.
  auto twice = held({17, 20});
  twice.insert(twice.end(), twice.begin(), twice.end());
  EXPECT_EQ(ShareRoom(resource, twice, always).largest(), 3u);
  const auto second = [](const Device& device) {
    return device.gpu.value == 1;
  };
  EXPECT_EQ(ShareRoom(resource, held({0, 16}), second).largest(), 4u)
      << "a GPU that is ill has nothing to give";
}

TEST(ShareRoom, HasWhatOneGpuHasOrWholeOnesComeTo) {
  const Resource resource = in_shares(3);
  const ShareRoom room(resource, held({17, 0, 0}), always);
  EXPECT_TRUE(room.has(20));
  EXPECT_TRUE(room.has(40));
  EXPECT_FALSE(room.has(21));
  EXPECT_FALSE(room.has(60));
}

// 3 + 3 are free, and somebody asks for 5: the scheduler must see 3.
TEST(ShareRoom, BeyondWhatOneGpuHasNothingIsOfferedToWhoAsksForMore) {
  const Resource resource = in_shares(2);
  const ShareRoom room(resource, held({17, 17}), always);
  const auto hidden = room.beyond(5);
  EXPECT_THAT(hidden, SizeIs(3));
  for (const std::size_t position : hidden) {
    EXPECT_EQ(resource.device_at(position), 1u);
    EXPECT_GE(position, resource.first_position(1) + 17);
  }
  EXPECT_THAT(room.beyond(3), IsEmpty());
  EXPECT_THAT(ShareRoom(resource, held({17, 15}), always).beyond(5), IsEmpty());
  // More than the node has at all is nobody's to send.
  EXPECT_THAT(ShareRoom(resource, held({20, 20}), always).beyond(5), IsEmpty());
}

TEST(ShareRoom, OfWholeGpusLeavesNoneOfTheOthers) {
  const Resource resource = in_shares(3);
  const ShareRoom room(resource, held({1, 0, 20}), always);
  EXPECT_THAT(room.beyond(40), SizeIs(19));
  EXPECT_THAT(room.beyond(25), SizeIs(19));
}

}  // namespace
}  // namespace gpunode::resource
