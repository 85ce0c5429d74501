#include "agent/labels/architecture.h"

#include <gtest/gtest.h>

namespace gpunode::labels {
namespace {

TEST(Family, FollowsTheComputeCapability) {
  EXPECT_EQ(family_of(3, 7), "kepler");
  EXPECT_EQ(family_of(6, 1), "pascal");
  EXPECT_EQ(family_of(7, 0), "volta");
  EXPECT_EQ(family_of(7, 2), "volta");
  EXPECT_EQ(family_of(7, 5), "turing");
  EXPECT_EQ(family_of(8, 6), "ampere");
  EXPECT_EQ(family_of(8, 9), "ada-lovelace");
  EXPECT_EQ(family_of(9, 0), "hopper");
  EXPECT_EQ(family_of(10, 0), "blackwell");
  EXPECT_EQ(family_of(12, 0), "blackwell");
  EXPECT_EQ(family_of(13, 0), "rubin");
}

TEST(Family, IsUndefinedForWhatNobodyKnows) {
  EXPECT_EQ(family_of(4, 0), "undefined");
  EXPECT_EQ(family_of(11, 0), "undefined");
  EXPECT_EQ(family_of(99, 9), "undefined");
  EXPECT_EQ(family_of(-1, -1), "undefined");
}

}  // namespace
}  // namespace gpunode::labels
