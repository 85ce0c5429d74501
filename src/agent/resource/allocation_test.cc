#include "agent/resource/allocation.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/resource/resource_set.h"
#include "agent/resource/simulated_node.h"

namespace gpunode::resource {
namespace {

using config::DeviceIdStrategy;
using testing::ElementsAre;
using testing::IsEmpty;

Resource gpus(unsigned count, std::uint64_t replicas = 0,
              bool fail_requests_greater_than_one = false,
              bool is_mps = false) {
  config::Settings settings;
  if (replicas > 0) {
    config::Replication sharing;
    sharing.fail_requests_greater_than_one = fail_requests_greater_than_one;
    sharing.resources = {
        {"nvidia.com/gpu", "nvidia.com/gpu", config::AllDevices{}, replicas}};
    (is_mps ? settings.mps : settings.time_slicing) = sharing;
  }
  return build_resources(simulated_node(count), settings).resources.at(0);
}

std::string id(unsigned gpu) {
  return uuid_of(gpu);
}
std::string id(unsigned gpu, unsigned replica) {
  return uuid_of(gpu) + "::" + std::to_string(replica);
}

TEST(Allocation, ValidatesRequestsLikeNvidiasPlugin) {
  struct Row {
    const char* what;
    Resource resource;
    std::vector<std::string> ids;
    std::string why;  // Empty: granted.
  };
  const std::string unknown = "unknown device: ";
  const std::string too_many =
      "maximum request size for shared resources is 1; found 2";
  const std::vector<Row> rows = {
      {"unshared, one", gpus(2), {id(0)}, ""},
      {"unshared, two", gpus(2), {id(0), id(1)}, ""},
      {"unshared, unknown", gpus(2), {id(0), "nope"}, unknown + "nope"},
      {"shared, one", gpus(2, 4, true), {id(0, 3)}, ""},
      {"shared, two", gpus(2, 4), {id(0, 0), id(0, 1)}, ""},
      {"shared, two forbidden",
       gpus(2, 4, true),
       {id(0, 0), id(1, 0)},
       too_many},
      {"MPS, two forbidden",
       gpus(2, 4, true, true),
       {id(0, 0), id(0, 1)},
       too_many},
      {"shared, unknown comes first",
       gpus(2, 4, true),
       {id(0, 0), id(0, 4)},
       unknown + id(0, 4)},
  };
  for (const Row& row : rows) {
    const auto allocation =
        allocate(row.resource, row.ids, DeviceIdStrategy::kUuid);
    EXPECT_EQ(allocation.has_value(), row.why.empty()) << row.what;
    if (!allocation && !row.why.empty()) {
      EXPECT_EQ(allocation.error().message(),
                "invalid allocation request for \"nvidia.com/gpu\": invalid "
                "request: " +
                    row.why);
      EXPECT_EQ(allocation.error().code(), ErrorCode::kInvalidArgument);
    }
  }
}

TEST(Allocation, NamesDevicesInTheOrderOfTheRequest) {
  const auto allocation =
      allocate(gpus(4), {id(3), id(0)}, DeviceIdStrategy::kUuid);
  ASSERT_TRUE(allocation.has_value());
  EXPECT_THAT(allocation->names, ElementsAre(id(3), id(0)));
  EXPECT_THAT(allocation->nodes, ElementsAre("/dev/nvidia3", "/dev/nvidia0"));
  EXPECT_THAT(allocation->devices, ElementsAre(3U, 0U));
}

TEST(Allocation, NamesIndicesInTheOrderOfTheRequestToo) {
  const auto allocation =
      allocate(gpus(12, 2), {id(11, 0), id(2, 1), id(11, 1), id(1, 0)},
               DeviceIdStrategy::kIndex);
  ASSERT_TRUE(allocation.has_value());
  EXPECT_THAT(allocation->names, ElementsAre("11", "2", "1"));
}

TEST(Allocation, NamesADeviceOnceButGivesItsNodesPerReplica) {
  const auto allocation = allocate(gpus(2, 20), {id(0, 1), id(1, 5), id(0, 0)},
                                   DeviceIdStrategy::kUuid);
  ASSERT_TRUE(allocation.has_value());
  EXPECT_THAT(allocation->names, ElementsAre(id(0), id(1)));
  EXPECT_THAT(allocation->nodes,
              ElementsAre("/dev/nvidia0", "/dev/nvidia1", "/dev/nvidia0"));
}

TEST(Allocation, CountsARepeatedIdOnce) {
  const auto allocation =
      allocate(gpus(2), {id(0), id(0)}, DeviceIdStrategy::kUuid);
  ASSERT_TRUE(allocation.has_value());
  EXPECT_THAT(allocation->names, ElementsAre(id(0)));
  EXPECT_THAT(allocation->nodes, ElementsAre("/dev/nvidia0"));
}

TEST(Allocation, OfNothingIsNothing) {
  const auto allocation = allocate(gpus(2), {}, DeviceIdStrategy::kUuid);
  ASSERT_TRUE(allocation.has_value());
  EXPECT_THAT(allocation->names, IsEmpty());
  EXPECT_THAT(allocation->nodes, IsEmpty());
  EXPECT_THAT(allocation->devices, IsEmpty());
}

TEST(Allocation, OfAMigDeviceBringsItsCapabilityNodes) {
  auto node = simulated_node(1);
  add_mig(node.gpus[0]);
  config::Settings settings;
  settings.mig_strategy = config::MigStrategy::kMixed;
  const auto set = build_resources(node, settings);
  const auto allocation =
      allocate(set.resources.at(0), {node.gpus[0].mig_devices[0].id.value},
               DeviceIdStrategy::kIndex);
  ASSERT_TRUE(allocation.has_value());
  EXPECT_THAT(allocation->names, ElementsAre("0:0"));
  EXPECT_THAT(allocation->nodes,
              ElementsAre("/dev/nvidia0", "/dev/nvidia-caps/nvidia-cap66",
                          "/dev/nvidia-caps/nvidia-cap67"));
}

TEST(Allocation, RefusesTheWholeDeviceWhereReplicasAreOffered) {
  EXPECT_FALSE(
      allocate(gpus(1, 4), {id(0)}, DeviceIdStrategy::kUuid).has_value());
}

TEST(Allocation, ShowsOfAHostileIdOnlyWhatAPersonCanRead) {
  const auto allocation = allocate(gpus(1), {"a\n" + std::string(1 << 20, 'x')},
                                   DeviceIdStrategy::kUuid);
  ASSERT_FALSE(allocation.has_value());
  EXPECT_LT(allocation.error().message().size(), 500U);
  EXPECT_EQ(allocation.error().message().find('\n'), std::string::npos);
}

TEST(Allocation, TakesAHugeRequestOfRepeatedIds) {
  const std::vector<std::string> ids(200'000, id(0, 7));
  const auto allocation = allocate(gpus(8, 1000), ids, DeviceIdStrategy::kUuid);
  ASSERT_TRUE(allocation.has_value());
  EXPECT_THAT(allocation->names, ElementsAre(id(0)));
  EXPECT_THAT(allocation->nodes, ElementsAre("/dev/nvidia0"));
}

}  // namespace
}  // namespace gpunode::resource
