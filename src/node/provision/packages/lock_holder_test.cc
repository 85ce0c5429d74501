#include "node/provision/packages/lock_holder.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::packages {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

TEST(LockHolders, AreOutlastedOrNamedInTheEnd) {
  int looks = 0;
  int pauses = 0;
  const auto held_for = [&looks](int times) {
    looks = 0;
    return [&looks, times] {
      return ++looks > times ? std::vector<LockHolder>{}
                             : std::vector<LockHolder>{{77, "apt-get", ""}};
    };
  };
  const auto pause = [&pauses] { ++pauses; };
  EXPECT_THAT(outlast_holders(held_for(0), pause, 5), IsEmpty());
  EXPECT_EQ(pauses, 0);
  EXPECT_THAT(outlast_holders(held_for(3), pause, 5), IsEmpty());
  EXPECT_EQ(pauses, 3);
  EXPECT_THAT(outlast_holders(held_for(99), pause, 5), SizeIs(1));
  EXPECT_EQ(looks, 5);
}

}  // namespace
}  // namespace gpunode::packages
