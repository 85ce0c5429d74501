#include "agent/resource/allocation_id.h"

#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::resource {
namespace {

TEST(AllocationId, FollowsFromTheSetOfIds) {
  const std::string id = allocation_id("nvidia.com/gpu", {"U0::1", "U1::0"});
  EXPECT_EQ(id, allocation_id("nvidia.com/gpu", {"U1::0", "U0::1"}));
  EXPECT_EQ(id, allocation_id("nvidia.com/gpu", {"U1::0", "U0::1", "U1::0"}));
}

TEST(AllocationId, DiffersWhenAnythingDiffers) {
  const std::set<std::string> ids = {
      allocation_id("nvidia.com/gpu", {"U0::1"}),
      allocation_id("nvidia.com/gpu", {"U0::10"}),
      allocation_id("nvidia.com/gpu", {"U0::1", "U0::0"}),
      allocation_id("nvidia.com/gpu.shared", {"U0::1"}),
      allocation_id("nvidia.com/gpu", {}),
      allocation_id("nvidia.com/gpu", {"U0", "::1"}),
  };
  EXPECT_EQ(ids.size(), 6U);
}

TEST(AllocationId, HasTheFormOfAUuid) {
  EXPECT_THAT(allocation_id("nvidia.com/gpu", {"U0"}),
              testing::MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-"
                                    "[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
}

TEST(AllocationId, NeverChanges) {
  // Directories of running containers carry this name: a changed hash would
  // orphan them at an upgrade.
  EXPECT_EQ(allocation_id("nvidia.com/gpu", {"GPU-0::0"}),
            "101d2fa8-737b-8a62-99f2-8c31e70c3d6f");
}

}  // namespace
}  // namespace gpunode::resource
