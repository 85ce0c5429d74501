#include "node/provision/file_actions.h"

#include <sys/stat.h>
#include <sys/xattr.h>

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/fake_command_runner.h"
#include "base/host/host_tree.h"
#include "node/provision/seen_content.h"

namespace gpunode::provision {
namespace {

using host::HostTree;
using testing::HasSubstr;
using testing::SizeIs;

std::string content(const HostTree& tree, const std::string& path) {
  const auto text = tree.root().read_file(path);
  return text ? *text : "(absent)";
}

/// Prepares, performs and gives back what undoes it.
Inverse carry_out(const FileActions& actions, const auto& action,
                  std::uint64_t seq = 1) {
  auto inverse = actions.prepare(action, seq);
  EXPECT_TRUE(inverse) << inverse.error().message();
  const auto done = actions.perform(action);
  EXPECT_TRUE(done) << done.error().message();
  return inverse ? *std::move(inverse) : Inverse{};
}

Result<void> undo(const FileActions& actions, const Inverse& inverse) {
  for (const Action& action : inverse.actions) {
    if (const auto* file = std::get_if<RestoreFile>(&action)) {
      TRY_VOID(actions.perform(*file));
    } else {
      TRY_VOID(actions.perform(std::get<RemoveDirectory>(action)));
    }
  }
  return {};
}

TEST(FileActions, AWrittenFileKeepsItsFormAndComesBackByteForByte) {
  const HostTree tree{{"etc/fstab", "old \xe9\n"}};
  const std::string path = tree.path("etc/fstab");
  ASSERT_EQ(::chmod(path.c_str(), 0640), 0);
  const bool has_xattr = ::setxattr(path.c_str(), "user.label", "t", 1, 0) == 0;
  host::FakeCommandRunner runner;
  const FileActions actions(tree.root(), runner, false);

  const Inverse inverse =
      carry_out(actions, WriteFile{"/etc/fstab", "new\n"}, 7);
  EXPECT_EQ(content(tree, "/etc/fstab"), "new\n");
  EXPECT_EQ(tree.root().status("/etc/fstab")->mode, 0640U);
  // Outside /etc, whose directories are read by services.
  EXPECT_EQ(content(tree, "/var/lib/gpunode/backup/7/fstab"), "old \xe9\n");

  ASSERT_TRUE(undo(actions, inverse));
  EXPECT_EQ(content(tree, "/etc/fstab"), "old \xe9\n");
  EXPECT_EQ(tree.root().status("/etc/fstab")->mode, 0640U);
  if (has_xattr) {
    char value = 0;
    EXPECT_EQ(::getxattr(path.c_str(), "user.label", &value, 1), 1);
    EXPECT_EQ(value, 't');
  }
}

TEST(FileActions, ANewFileHasTheLabelOfThePolicy) {
  const HostTree tree{{"sys/fs/selinux/enforce", "1"},
                      {"etc/there.conf", "x\n"}};
  host::FakeCommandRunner runner;
  runner.script("/usr/sbin/matchpathcon /etc/new.conf",
                host::Completed{0, "/etc/new.conf\tu:object_r:etc_t:s0\n", ""});
  const FileActions actions(tree.root(), runner, false);
  carry_out(actions, WriteFile{"/etc/new.conf", "new\n"});
  EXPECT_EQ(content(tree, "/etc/new.conf"), "new\n");
  // What is there keeps its own, whatever the policy says.
  carry_out(actions, WriteFile{"/etc/there.conf", "y\n"});
  EXPECT_THAT(runner.commands(), SizeIs(1));
  const auto label =
      tree.root().read_attribute("/etc/new.conf", "security.selinux");
  if (!label) GTEST_SKIP() << "labels cannot be set here: not root";
  EXPECT_EQ(*label, std::string("u:object_r:etc_t:s0\0", 20));
}

TEST(FileActions, ANewFileIsGoneAgainAfterUndoing) {
  const HostTree tree;
  host::FakeCommandRunner runner;
  const FileActions actions(tree.root(), runner, false);
  const Inverse inverse =
      carry_out(actions, WriteFile{"/etc/sysctl.d/99-x.conf", "x\n"});
  EXPECT_EQ(tree.root().status("/etc/sysctl.d/99-x.conf")->mode, 0644U);
  ASSERT_TRUE(undo(actions, inverse));
  EXPECT_FALSE(tree.root().exists("/etc/sysctl.d/99-x.conf"));
  // Nor are the directories that were made for it.
  EXPECT_FALSE(tree.root().exists("/etc"));
}

// A crash may have come before the action began or after it ended.
TEST(FileActions, UndoingIsSafeHoweverFarTheActionCame) {
  const HostTree tree{{"etc/x", "old"}};
  host::FakeCommandRunner runner;
  const FileActions actions(tree.root(), runner, false);
  auto inverse = actions.prepare(WriteFile{"/etc/x", "new"}, 1);
  ASSERT_TRUE(inverse);
  ASSERT_TRUE(undo(actions, *inverse));  // Never performed.
  EXPECT_EQ(content(tree, "/etc/x"), "old");
  ASSERT_TRUE(actions.perform(WriteFile{"/etc/x", "new"}));
  ASSERT_TRUE(undo(actions, *inverse));
  ASSERT_TRUE(undo(actions, *inverse));  // Twice.
  EXPECT_EQ(content(tree, "/etc/x"), "old");
}

TEST(FileActions, WhatAPersonChangedSinceIsNotOverwrittenUnlessTold) {
  const HostTree tree{{"etc/x", "old"}};
  host::FakeCommandRunner runner;
  const FileActions actions(tree.root(), runner, false);
  const Inverse inverse = carry_out(actions, WriteFile{"/etc/x", "ours"});
  tree.file("etc/x", "a person's");
  const auto refused = undo(actions, inverse);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("--overwrite-drift"));
  EXPECT_EQ(content(tree, "/etc/x"), "a person's");
  ASSERT_TRUE(undo(FileActions(tree.root(), runner, true), inverse));
  EXPECT_EQ(content(tree, "/etc/x"), "old");
}

TEST(FileActions, ARemovedFileComesBack) {
  const HostTree tree{{"etc/x", "old"}};
  host::FakeCommandRunner runner;
  const FileActions actions(tree.root(), runner, false);
  const Inverse inverse = carry_out(actions, RemoveFile{"/etc/x"});
  EXPECT_FALSE(tree.root().exists("/etc/x"));
  ASSERT_TRUE(undo(actions, inverse));
  EXPECT_EQ(content(tree, "/etc/x"), "old");
}

TEST(FileActions, ALostCopyIsToldAndNothingIsTouched) {
  const HostTree tree{{"etc/x", "old"}};
  host::FakeCommandRunner runner;
  const FileActions actions(tree.root(), runner, false);
  const Inverse inverse = carry_out(actions, WriteFile{"/etc/x", "new"}, 3);
  tree.remove("var/lib/gpunode/backup");
  const auto failed = undo(actions, inverse);
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message(),
              HasSubstr("/var/lib/gpunode/backup/3/x"));
  EXPECT_EQ(content(tree, "/etc/x"), "new");
}

TEST(FileActions, WhatALinkStandsForIsWrittenAndTheLinkStays) {
  const HostTree tree{{"usr/lib/real.conf", "old"}};
  tree.directory("etc");
  tree.link("etc/x.conf", "../usr/lib/real.conf");
  host::FakeCommandRunner runner;
  const FileActions actions(tree.root(), runner, false);
  const Inverse inverse = carry_out(actions, WriteFile{"/etc/x.conf", "new"});
  EXPECT_EQ(*tree.root().read_link("/etc/x.conf"), "../usr/lib/real.conf");
  EXPECT_EQ(content(tree, "/usr/lib/real.conf"), "new");
  ASSERT_TRUE(undo(actions, inverse));
  EXPECT_EQ(content(tree, "/usr/lib/real.conf"), "old");
}

TEST(FileActions, ARemovedLinkComesBackAsALinkAndWhatItLedToIsLeftAlone) {
  for (const char* target : {"real", "nowhere"}) {
    const HostTree tree{{"etc/real", "text"}};
    tree.link("etc/x", target);
    host::FakeCommandRunner runner;
    const FileActions actions(tree.root(), runner, false);
    const Inverse inverse = carry_out(actions, RemoveFile{"/etc/x"});
    EXPECT_FALSE(tree.root().read_link("/etc/x"));
    ASSERT_TRUE(undo(actions, inverse));
    ASSERT_TRUE(undo(actions, inverse));  // Twice.
    EXPECT_EQ(*tree.root().read_link("/etc/x"), target);
    EXPECT_EQ(content(tree, "/etc/real"), "text");
  }
}

TEST(FileActions, WhatCameInThePlaceOfARemovedLinkIsNotOverwrittenUnlessTold) {
  const HostTree tree{{"etc/real", "text"}};
  tree.link("etc/x", "real");
  host::FakeCommandRunner runner;
  const Inverse inverse =
      carry_out(FileActions(tree.root(), runner, false), RemoveFile{"/etc/x"});
  tree.link("etc/x", "other");
  EXPECT_FALSE(undo(FileActions(tree.root(), runner, false), inverse));
  EXPECT_EQ(*tree.root().read_link("/etc/x"), "other");
  ASSERT_TRUE(undo(FileActions(tree.root(), runner, true), inverse));
  EXPECT_EQ(*tree.root().read_link("/etc/x"), "real");
}

TEST(FileActions, ALinkThatLeadsNowhereIsNotWrittenOver) {
  const HostTree tree;
  tree.directory("etc");
  tree.link("etc/x", "nowhere");
  host::FakeCommandRunner runner;
  const FileActions actions(tree.root(), runner, false);
  const auto prepared = actions.prepare(WriteFile{"/etc/x", "new"}, 1);
  ASSERT_FALSE(prepared);
  EXPECT_THAT(prepared.error().message(),
              testing::HasSubstr("/etc/x is a symbolic link to nowhere, which "
                                 "is not there"));
  EXPECT_FALSE(actions.perform(WriteFile{"/etc/x", "new"}));
  EXPECT_EQ(*tree.root().read_link("/etc/x"), "nowhere");
}

TEST(FileActions, MadeDirectoriesGoUnlessSomethingIsInThem) {
  const HostTree tree;
  host::FakeCommandRunner runner;
  const FileActions actions(tree.root(), runner, false);
  const Inverse inverse =
      carry_out(actions, MakeDirectory{"/opt/cni/bin", 0750});
  EXPECT_THAT(inverse.actions, SizeIs(3));
  EXPECT_EQ(tree.root().status("/opt/cni/bin")->mode, 0750U);
  tree.file("opt/other", "x");
  ASSERT_TRUE(undo(actions, inverse));
  EXPECT_FALSE(tree.root().exists("/opt/cni"));
  EXPECT_TRUE(tree.root().exists("/opt/other"));
}

TEST(FileActions, ADirectoryInAFilesPlaceIsAnError) {
  const HostTree tree;
  tree.directory("etc/x");
  host::FakeCommandRunner runner;
  const FileActions actions(tree.root(), runner, false);
  EXPECT_FALSE(actions.prepare(WriteFile{"/etc/x", "new"}, 1));
}

TEST(FileActions, WhatItsCheckRefusesIsNotPutInPlace) {
  const HostTree tree{{"etc/fstab", "old\n"}};
  host::FakeCommandRunner runner;
  const std::string copy = tree.path("var/lib/gpunode/check");
  runner.script("/usr/bin/findmnt --verify --tab-file " + copy,
                host::Completed{1, "parse error at line 1", "1 error"});
  const FileActions actions(tree.root(), runner, false);
  const auto failed = actions.perform(
      WriteFile{"/etc/fstab",
                "new\n",
                0,
                {"/usr/bin/findmnt", "--verify", "--tab-file", "@"}});
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message(), HasSubstr("left as it was"));
  EXPECT_THAT(failed.error().message(), HasSubstr("parse error at line 1"));
  EXPECT_THAT(failed.error().message(), HasSubstr("1 error"));
  EXPECT_EQ(content(tree, "/etc/fstab"), "old\n");
  EXPECT_FALSE(tree.root().exists("/var/lib/gpunode/check"));
}

// A diff was shown and agreed to; what came after it was never seen.
TEST(FileActions, AFileThatChangedSinceThePlanIsNotOverwritten) {
  const HostTree tree{{"etc/a", "by hand\n"}};
  host::FakeCommandRunner runner;
  const FileActions actions(tree.root(), runner, false);
  for (const std::string& seen : {seen_content("old\n"), seen_content({})}) {
    const WriteFile write{.path = "/etc/a", .content = "new\n", .before = seen};
    for (const Error& error :
         {actions.prepare(write, 1).error(), actions.perform(write).error()}) {
      EXPECT_EQ(error.code(), ErrorCode::kAlreadyExists);
      EXPECT_THAT(error.message(), HasSubstr("/etc/a was changed since"));
      EXPECT_THAT(error.message(), HasSubstr("`gpunode apply`"));
    }
    const RemoveFile remove{"/etc/a", seen};
    EXPECT_FALSE(actions.prepare(remove, 1));
    EXPECT_FALSE(actions.perform(remove));
  }
  EXPECT_EQ(content(tree, "/etc/a"), "by hand\n");
  EXPECT_FALSE(tree.root().exists("/var/lib/gpunode/backup"));
}

TEST(FileActions, WhatThePlanSawIsOverwrittenAndDoneTwiceIsNoChange) {
  const HostTree tree{{"etc/a", "old\n"}};
  host::FakeCommandRunner runner;
  const FileActions actions(tree.root(), runner, false);
  const WriteFile write{
      .path = "/etc/a", .content = "new\n", .before = seen_content("old\n")};
  carry_out(actions, write);
  carry_out(actions, write, 2);
  EXPECT_EQ(content(tree, "/etc/a"), "new\n");
  const RemoveFile remove{"/etc/a", seen_content("new\n")};
  carry_out(actions, remove, 3);
  carry_out(actions, remove, 4);
  EXPECT_FALSE(tree.root().exists("/etc/a"));
}

}  // namespace
}  // namespace gpunode::provision
