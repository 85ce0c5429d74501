#include "base/text/nearest.h"

#include <array>
#include <string>

#include <gtest/gtest.h>

namespace gpunode::text {
namespace {

constexpr std::array<std::string_view, 4> kNames = {"replicas", "rename",
                                                    "devices", "name"};

TEST(NearestName, FindsOneEditAway) {
  EXPECT_EQ(nearest_name("replica", kNames), "replicas");
  EXPECT_EQ(nearest_name("devcies", kNames), "devices");  // A swap is one edit.
  EXPECT_EQ(nearest_name("nmae", kNames), "name");
}

TEST(NearestName, IgnoresLetterCase) {
  EXPECT_EQ(nearest_name("REPLICAS", kNames), "replicas");
}

TEST(NearestName, SaysNothingRatherThanNonsense) {
  EXPECT_EQ(nearest_name("strategy", kNames), "");
  EXPECT_EQ(nearest_name("", kNames), "");
  EXPECT_EQ(nearest_name(std::string(10'000, 'r'), kNames), "");
}

}  // namespace
}  // namespace gpunode::text
