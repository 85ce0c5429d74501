#include "container/oci/host_device.h"

#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::oci {
namespace {

cdi::DeviceNode node(const std::string& path) {
  cdi::DeviceNode node;
  node.path = path;
  return node;
}

TEST(HostDevice, IsCompletedFromTheHostsNode) {
  cdi::DeviceNode null = node("/dev/inside");
  null.host_path = "/dev/null";
  ASSERT_TRUE(complete_device(null, host::HostRoot()));
  EXPECT_EQ(null.type, "c");
  EXPECT_EQ(null.major, 1);
  EXPECT_EQ(null.minor, 3);
  EXPECT_EQ(null.file_mode, 0666U);
}

TEST(HostDevice, ACompleteOneIsNotLookedUp) {
  cdi::DeviceNode complete = node("/nowhere");
  complete.type = "c";
  complete.major = 195;
  ASSERT_TRUE(complete_device(complete, host::HostRoot()));
  EXPECT_EQ(complete.file_mode, std::nullopt);
}

TEST(HostDevice, AMissingOneIsNamedInThePeersWords) {
  const host::HostTree tree;
  cdi::DeviceNode missing = node("/dev/nvidia0");
  const auto result = complete_device(missing, tree.root());
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message(),
            "failed to stat CDI host device \"/dev/nvidia0\": no such file or "
            "directory");
}

TEST(HostDevice, TypesMustAgree) {
  cdi::DeviceNode block = node("/dev/null");
  block.type = "b";
  EXPECT_EQ(complete_device(block, host::HostRoot()).error().message(),
            "CDI device (\"/dev/null\", \"/dev/null\"), host type mismatch "
            "(b, c)");
  const host::HostTree tree{{"dev/file", ""}};
  cdi::DeviceNode file = node("/dev/file");
  EXPECT_EQ(complete_device(file, tree.root()).error().message(),
            "CDI host device \"/dev/file\" is not a device node");
}

}  // namespace
}  // namespace gpunode::oci
