#include "base/host/filesystem_space.h"

#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::host {
namespace {

TEST(FilesystemSpace, IsOfTheFileSystemThatHasThePath) {
  const HostTree tree{{"var/lib/x", ""}};
  const auto space = read_space(tree.root(), "/var/lib");
  ASSERT_TRUE(space) << space.error().message();
  EXPECT_GT(space->available_bytes, 0U);
  EXPECT_FALSE(space->read_only);
  // sysfs has no room for anybody and no inodes to count.
  const auto sys = read_space(HostRoot("/"), "/sys");
  ASSERT_TRUE(sys) << sys.error().message();
  EXPECT_EQ(sys->available_bytes, 0U);
  EXPECT_EQ(sys->free_inodes, 1U);
}

TEST(FilesystemSpace, NothingThereIsSaidSo) {
  const HostTree tree;
  const auto space = read_space(tree.root(), "/boot");
  ASSERT_FALSE(space);
  EXPECT_EQ(space.error().code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace gpunode::host
