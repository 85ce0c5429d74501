#include "share/grants/grant_leftovers.h"

#include <unistd.h>

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"
#include "share/grants/grant_files.h"
#include "share/grants/grant_watch.h"

namespace gpunode::share {
namespace {

using testing::HasSubstr;

class GrantLeftovers : public testing::Test {
 protected:
  GrantLeftovers() : files_(tree_.path("grants")) {
    EXPECT_TRUE(files_.renew({"0a-1", {{"GPU-a", 1000}}}));
    // As an agent that is killed there leaves it.
    EXPECT_TRUE(files_.renew({"0b-2", {{"GPU-a", 1000}}}));
    EXPECT_EQ(::rename(tree_.path("grants/0b-2").c_str(), retired().c_str()),
              0);
  }
  std::string retired() const { return tree_.path("grants/.retired-0b-2-0"); }
  bool is_there(const std::string& path) const {
    return ::access(path.c_str(), F_OK) == 0;
  }
  std::size_t removed() const {
    const auto count = remove_leftovers(tree_.path("grants"));
    EXPECT_TRUE(count) << count.error().message();
    return count ? *count : 0;
  }

  const host::HostTree tree_;
  const GrantFiles files_;
};

TEST_F(GrantLeftovers, AreRemovedAndGrantsAreNot) {
  tree_.file("grants/.other", "");
  EXPECT_EQ(removed(), 1u);
  EXPECT_FALSE(is_there(retired()));
  EXPECT_TRUE(is_there(tree_.path("grants/.other")));
  EXPECT_TRUE(files_.look("0a-1"));
  EXPECT_EQ(removed(), 0u);
}

TEST_F(GrantLeftovers, AreRemovedByTheFirstStepOfAnAgent) {
  GrantWatch watch(files_, tree_.root());
  watch.step();
  EXPECT_FALSE(is_there(retired()));
  EXPECT_EQ(watch.looks().size(), 1u);
  // Later ones are another agent's, or this one's own amid its work.
  tree_.file("grants/.retired-0c-3-0/limits", "");
  watch.step();
  EXPECT_TRUE(is_there(tree_.path("grants/.retired-0c-3-0/limits")));
}

TEST_F(GrantLeftovers, WhatAnEngineMadeOfItsFilesGoesToo) {
  tree_.remove("grants/.retired-0b-2-0/limits");
  tree_.file("grants/.retired-0b-2-0/limits/limits", "");
  EXPECT_EQ(removed(), 1u);
  EXPECT_FALSE(is_there(retired()));
}

TEST_F(GrantLeftovers, OfAContainerStopNoOthers) {
  tree_.file("grants/.retired-0a-0-0/ledger/deep/file", "");
  const auto count = remove_leftovers(tree_.path("grants"));
  ASSERT_FALSE(count);
  EXPECT_THAT(count.error().message(), HasSubstr(".retired-0a-0-0"));
  EXPECT_TRUE(is_there(tree_.path("grants/.retired-0a-0-0/ledger/deep/file")));
  EXPECT_FALSE(is_there(retired()));
}

TEST_F(GrantLeftovers, LinksLeadNowhere) {
  tree_.file("outside/kept", "");
  tree_.link("grants/.retired-0d-4-0", "../outside");
  tree_.link("grants/.retired-0b-2-0/place", "../../outside");
  (void)removed();
  EXPECT_TRUE(is_there(tree_.path("outside/kept")));
  EXPECT_FALSE(is_there(retired()));
}

TEST(NoGrants, HaveNoLeftovers) {
  const host::HostTree tree;
  const auto count = remove_leftovers(tree.path("grants"));
  ASSERT_TRUE(count);
  EXPECT_EQ(*count, 0u);
}

}  // namespace
}  // namespace gpunode::share
