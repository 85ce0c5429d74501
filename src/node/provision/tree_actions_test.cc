#include "node/provision/tree_actions.h"

#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/fake_command_runner.h"
#include "base/host/host_tree.h"
#include "node/provision/tree_count.h"

namespace gpunode::provision {
namespace {

using host::HostTree;
using testing::HasSubstr;

// Copying needs a disk and is tried in tests/vm; here is what happens around
// it.
const MigrateTree kDiscard{.path = "/var/lib/c",
                           .uuid = "u",
                           .type = "xfs",
                           .aside = "/var/lib/c.before-gpunode",
                           .discard = true};

TEST(TreeActions, SetAsideAndBackAgain) {
  const HostTree tree{{"var/lib/c/a/b", "content"},
                      {"proc/self/mountinfo", ""}};
  ASSERT_EQ(::chmod(tree.path("var/lib/c").c_str(), 0710), 0);
  const std::string label("u:object_r:c_t:s0\0", 18);
  const bool is_labelled =
      ::setxattr(tree.path("var/lib/c").c_str(), "security.selinux",
                 label.data(), label.size(), 0) == 0;
  host::FakeCommandRunner runner;
  TreeActions actions(tree.root(), runner);
  const auto inverse = TreeActions::prepare(kDiscard);
  ASSERT_TRUE(inverse);
  ASSERT_TRUE(actions.perform(kDiscard));
  EXPECT_EQ(*tree.root().read_file("/var/lib/c.before-gpunode/a/b"), "content");
  // The directory for the mount is like the one before.
  EXPECT_EQ(tree.root().status("/var/lib/c")->mode, 0710U);
  if (is_labelled) {
    EXPECT_EQ(*tree.root().read_attribute("/var/lib/c", "security.selinux"),
              label);
  }
  EXPECT_FALSE(tree.root().exists("/var/lib/c/a"));
  ASSERT_TRUE(actions.perform(kDiscard));  // Twice is as once.
  const auto& back = std::get<RestoreTree>(inverse->actions.front());
  ASSERT_TRUE(actions.perform(back));
  EXPECT_EQ(*tree.root().read_file("/var/lib/c/a/b"), "content");
  EXPECT_FALSE(tree.root().exists("/var/lib/c.before-gpunode"));
  ASSERT_TRUE(actions.perform(back));
}

TEST(TreeActions, WhatKeptABootFromMountingGoesWithTheMove) {
  const HostTree tree{{"var/lib/c/a", "content"},
                      {"var/lib/gpunode/moving-var-lib-c.mount", ""},
                      {"var/lib/gpunode/copying-var-lib-c.mount", "other"},
                      {"proc/self/mountinfo", ""}};
  EXPECT_EQ(moving_path("/var/lib/c"),
            "/var/lib/gpunode/moving-var-lib-c.mount");
  host::FakeCommandRunner runner;
  ASSERT_TRUE(TreeActions(tree.root(), runner).perform(kDiscard));
  EXPECT_FALSE(tree.root().exists(moving_path("/var/lib/c")));
  EXPECT_FALSE(tree.root().exists(unfinished_path("/var/lib/c")));
}

TEST(TreeActions, CutOffBetweenRenameAndDirectoryItGoesOn) {
  const HostTree tree{{"var/lib/c.before-gpunode/a", "content"}};
  host::FakeCommandRunner runner;
  TreeActions actions(tree.root(), runner);
  ASSERT_TRUE(actions.perform(kDiscard));
  EXPECT_TRUE(tree.root().exists("/var/lib/c"));
}

TEST(TreeActions, ASecondMigrationDoesNotHideWhatCameSince) {
  const HostTree tree{{"var/lib/c.before-gpunode/a", "old"},
                      {"var/lib/c/new", "new"}};
  host::FakeCommandRunner runner;
  TreeActions actions(tree.root(), runner);
  MigrateTree migrate = kDiscard;
  migrate.discard = false;
  const auto refused = actions.perform(migrate);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("earlier migration"));
  EXPECT_FALSE(actions.perform(kDiscard));
}

TEST(TreeActions, WhatCameSinceIsNotHidden) {
  const HostTree tree{{"var/lib/c.before-gpunode/a", "old"},
                      {"var/lib/c/new", "new"}};
  host::FakeCommandRunner runner;
  TreeActions actions(tree.root(), runner);
  const auto refused =
      actions.perform(RestoreTree{kDiscard.path, kDiscard.aside});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(),
              HasSubstr("/var/lib/c.before-gpunode"));
  EXPECT_EQ(*tree.root().read_file("/var/lib/c/new"), "new");
}

TEST(TreeActions, WithoutTheDiskNothingIsMoved) {
  const HostTree tree{{"var/lib/c/a", "content"}};
  host::FakeCommandRunner runner;
  TreeActions actions(tree.root(), runner);
  MigrateTree migrate = kDiscard;
  migrate.discard = false;
  EXPECT_FALSE(actions.perform(migrate));
  EXPECT_EQ(*tree.root().read_file("/var/lib/c/a"), "content");
}

TEST(TreeCount, CountsNamesBytesAndHardLinks) {
  const HostTree tree{{"t/a", "12345"}, {"t/d/b", "678"}};
  ASSERT_EQ(::link(tree.path("t/a").c_str(), tree.path("t/d/c").c_str()), 0);
  ASSERT_EQ(::symlink("nowhere", tree.path("t/l").c_str()), 0);
  const auto count = count_tree(tree.path("t"));
  ASSERT_TRUE(count) << count.error().message();
  EXPECT_EQ(count->entries, 5U);
  EXPECT_EQ(count->content_bytes, 8U);
  EXPECT_EQ(count->linked, 1U);
  EXPECT_TRUE(count->is_copy_of(*count));
  EXPECT_FALSE(count_tree(tree.path("absent")));
}

}  // namespace
}  // namespace gpunode::provision
