#include "agent/plugin/feature_file.h"

#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::plugin {
namespace {

using testing::ElementsAre;
using testing::StartsWith;

ino_t inode(const std::string& path) {
  struct stat status = {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0);
  return status.st_ino;
}

TEST(FeatureFile, IsWrittenWholeAndReadableByAll) {
  const host::HostTree tree;
  ASSERT_TRUE(write_feature_file(tree.path("gfd"), "a=1\n"));
  EXPECT_EQ(*tree.root().read_file("gfd"), "a=1\n");
  EXPECT_EQ(tree.root().status("gfd")->mode, 0644U);
  // Node Feature Discovery reads all files of the directory.
  EXPECT_THAT(*tree.root().list_directory("/"), ElementsAre("gfd"));
}

TEST(FeatureFile, ThatIsRightIsLeftAlone) {
  const host::HostTree tree{{"gfd", "a=1\n"}};
  ASSERT_TRUE(write_feature_file(tree.path("gfd"), "a=2\n"));
  const ino_t written = inode(tree.path("gfd"));
  ASSERT_TRUE(write_feature_file(tree.path("gfd"), "a=2\n"));
  EXPECT_EQ(inode(tree.path("gfd")), written);
  ASSERT_EQ(::chmod(tree.path("gfd").c_str(), 0600), 0);
  ASSERT_TRUE(write_feature_file(tree.path("gfd"), "a=2\n"));
  EXPECT_EQ(tree.root().status("gfd")->mode, 0644U);
}

TEST(FeatureFile, ReplacesALinkAndNotWhatItLeadsTo) {
  const host::HostTree tree{{"other", "keep"}};
  tree.link("gfd", "other");
  ASSERT_TRUE(write_feature_file(tree.path("gfd"), "a=1\n"));
  EXPECT_EQ(*tree.root().read_file("other"), "keep");
  EXPECT_EQ(*tree.root().read_file("gfd"), "a=1\n");
}

TEST(FeatureFile, WithoutItsDirectoryIsNamed) {
  const host::HostTree tree;
  const auto written = write_feature_file(tree.path("no/gfd"), "a=1\n");
  ASSERT_FALSE(written);
  EXPECT_THAT(written.error().message(),
              StartsWith("error atomically writing file '" +
                         tree.path("no/gfd") + "': "));
}

TEST(FeatureFile, IsRemovedWithWhatOldVersionsLeft) {
  const host::HostTree tree{{"gfd", "a=1\n"}, {"gfd-tmp/x", ""}, {"b", ""}};
  ASSERT_TRUE(remove_feature_file(tree.path("gfd")));
  EXPECT_THAT(*tree.root().list_directory("/"), ElementsAre("b"));
  EXPECT_TRUE(remove_feature_file(tree.path("gfd")));
  EXPECT_TRUE(remove_feature_file(""));
}

}  // namespace
}  // namespace gpunode::plugin
