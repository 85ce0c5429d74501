#include "container/hook/image_view.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::hook {
namespace {

using Where = ImageView::Place::Where;

TEST(CleanDestination, IsTheSameHoweverItIsWritten) {
  for (const char* destination : {"/etc", "/etc/", "//etc", "/etc/.", "etc",
                                  "/./etc//", "/etc/x/..", "/../etc"}) {
    EXPECT_EQ(clean_destination(destination), "/etc") << destination;
  }
  EXPECT_EQ(clean_destination("/etc/./x"), "/etc/x");
  for (const char* destination : {"", "/", "//", ".", "/..", "/etc/.."}) {
    EXPECT_EQ(clean_destination(destination), "/") << destination;
  }
}

TEST(LiesIn, GoesByWholeNames) {
  EXPECT_TRUE(lies_in("/etc", "/etc"));
  EXPECT_TRUE(lies_in("/etc/x", "/etc"));
  EXPECT_TRUE(lies_in("/etc", "/"));
  EXPECT_FALSE(lies_in("/etcetera", "/etc"));
  EXPECT_FALSE(lies_in("/et", "/etc"));
}

class ImageViewTest : public testing::Test {
 protected:
  ImageView::Place located(const std::string& path,
                           const std::vector<std::string>& volumes = {}) const {
    const auto root = host::RootDirectory::open(tree_.path());
    if (!root) std::abort();
    return ImageView(*root, volumes).locate(path);
  }

  const host::HostTree tree_{{"a/b/file", "x"}};
};

TEST_F(ImageViewTest, FollowsLinksWithinTheRoot) {
  tree_.link("a/up", "../../../../a/b");
  tree_.link("whole", "/a/up");
  EXPECT_EQ(located("/whole/file").path, "/a/b/file");
  EXPECT_EQ(located("/whole/../b/./file").path, "/a/b/file");
  EXPECT_EQ(located("/whole/file").where, Where::kImage);
  EXPECT_EQ(located("/").path, "/");
  EXPECT_EQ(located("/../..").where, Where::kImage);
}

TEST_F(ImageViewTest, WhatIsNotThereKeepsItsName) {
  EXPECT_EQ(located("/a/c/d").where, Where::kNowhere);
  EXPECT_EQ(located("/a/c/d").path, "/a/c/d");
  EXPECT_EQ(located("/a/b/file/x").where, Where::kNowhere);
  tree_.link("round", "round");
  EXPECT_EQ(located("/round").where, Where::kNowhere);
  // Twice as many names with each.
  tree_.link("more", "more/more");
  EXPECT_EQ(located("/more").where, Where::kNowhere);
}

TEST_F(ImageViewTest, AVolumeIsMetOnTheWay) {
  tree_.link("in", "a/b");
  EXPECT_EQ(located("/in/file", {"/a"}).where, Where::kVolume);
  EXPECT_EQ(located("/in/file", {"/in"}).where, Where::kVolume)
      << "mounted where the link leads to";
  EXPECT_EQ(located("/a/../in", {"/a/b/"}).where, Where::kVolume);
  EXPECT_EQ(located("/new/x", {"/new"}).where, Where::kVolume);
  EXPECT_EQ(located("/a/b/file", {"/a/bc", "/c"}).where, Where::kImage);
  EXPECT_EQ(located("/a", {"/"}).where, Where::kVolume);
}

}  // namespace
}  // namespace gpunode::hook
