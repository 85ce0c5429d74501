#include "container/engines/containerd_version.h"

#include <gtest/gtest.h>

namespace gpunode::engines {
namespace {

TEST(ContainerdVersion, ReadsWhatReleasesAndDistributionsPrint) {
  const auto debian = parse_containerd_version(
      "containerd github.com/containerd/containerd 1.6.20~ds1 "
      "1.6.20~ds1-1+deb12u3\n");
  ASSERT_TRUE(debian);
  EXPECT_EQ(debian->major, 1U);
  EXPECT_EQ(debian->minor, 6U);
  const auto upstream = parse_containerd_version(
      "containerd github.com/containerd/containerd/v2 v2.1.4 75cb2b7\n");
  ASSERT_TRUE(upstream);
  EXPECT_EQ(upstream->major, 2U);
  EXPECT_TRUE(upstream->merges_plugin_tables());
}

TEST(ContainerdVersion, MergingCameWith21) {
  EXPECT_FALSE((ContainerdVersion{1, 7}).merges_plugin_tables());
  EXPECT_FALSE((ContainerdVersion{2, 0}).merges_plugin_tables());
  EXPECT_TRUE((ContainerdVersion{2, 1}).merges_plugin_tables());
  EXPECT_TRUE((ContainerdVersion{3, 0}).merges_plugin_tables());
}

TEST(ContainerdVersion, OtherTextIsNothing) {
  for (const char* text :
       {"", "containerd", "containerd x ", "a b c.d", "a b 1", "a b 1.x"}) {
    EXPECT_FALSE(parse_containerd_version(text)) << text;
  }
}

}  // namespace
}  // namespace gpunode::engines
