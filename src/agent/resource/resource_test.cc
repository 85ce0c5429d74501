#include "agent/resource/resource.h"

#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "agent/resource/simulated_node.h"

namespace gpunode::resource {
namespace {

Device device_of(unsigned gpu, std::uint32_t replicas) {
  Device device;
  device.id = {uuid_of(gpu)};
  device.gpu = {gpu};
  device.replicas = replicas;
  return device;
}

Resource resource_of(std::vector<Device> devices) {
  return {*ResourceName::parse("nvidia.com/gpu"), std::move(devices)};
}

TEST(Resource, FindsEveryIdItOffersAtItsPosition) {
  const Resource resource = resource_of(
      {device_of(7, 300), device_of(2, 0), device_of(3, 2), device_of(11, 0)});
  ASSERT_EQ(resource.replica_count(), 304U);
  std::set<std::string> ids;
  for (std::size_t i = 0; i < resource.replica_count(); ++i) {
    const std::string id = resource.id_at(i);
    ids.insert(id);
    const auto found = resource.find(id);
    ASSERT_TRUE(found.has_value()) << id;
    EXPECT_EQ(found->position, i);
    EXPECT_EQ(found->device, resource.device_at(i));
  }
  EXPECT_EQ(ids.size(), 304U);
  EXPECT_EQ(resource.id_at(0), uuid_of(2));
  EXPECT_EQ(resource.id_at(1), uuid_of(3) + "::0");
  EXPECT_EQ(resource.id_at(302), uuid_of(7) + "::299");
  EXPECT_EQ(resource.id_at(303), uuid_of(11));
}

TEST(Resource, DoesNotKnowIdsItDoesNotOffer) {
  const Resource resource = resource_of({device_of(0, 2), device_of(1, 0)});
  for (const std::string& id :
       {std::string(), uuid_of(0), uuid_of(0) + "::2", uuid_of(0) + "::02",
        uuid_of(1) + "::0", uuid_of(2), uuid_of(2) + "::0",
        uuid_of(1) + std::string(1, '\0')}) {
    EXPECT_FALSE(resource.find(id).has_value()) << id;
  }
}

TEST(Resource, SurvivesACopyOfItsOriginal) {
  auto original = std::make_unique<Resource>(resource_of({device_of(0, 2)}));
  const Resource copy = *original;
  original.reset();
  EXPECT_TRUE(copy.find(uuid_of(0) + "::1").has_value());
}

TEST(Resource, MayHaveNoDevices) {
  const Resource resource = resource_of({});
  EXPECT_EQ(resource.replica_count(), 0U);
  EXPECT_FALSE(resource.find(uuid_of(0)).has_value());
}

}  // namespace
}  // namespace gpunode::resource
