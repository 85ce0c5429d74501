#include "node/provision/program_actions.h"

#include <sys/stat.h>

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/digest/digest.h"
#include "base/host/fake_command_runner.h"
#include "base/host/host_tree.h"
#include "node/provision/file_actions.h"

namespace gpunode::provision {
namespace {

using host::HostTree;
using testing::HasSubstr;
using testing::SizeIs;

constexpr const char* kFrom = "/opt/gpunode/gpunode-runtime";
constexpr const char* kPath = "/usr/bin/gpunode-runtime";

InstallProgram install_of(const std::string& bytes) {
  return {kFrom, kPath, digest::sha256(bytes)};
}

std::string content(const HostTree& tree, const std::string& path) {
  const auto text = tree.root().read_file(path);
  return text ? *text : "(absent)";
}

TEST(ProgramActions, ANewProgramIsRunnableAndGoesAgain) {
  const HostTree tree{{"opt/gpunode/gpunode-runtime",
                       "\x7f"
                       "ELF new"}};
  const ProgramActions actions(tree.root());
  const InstallProgram install = install_of(
      "\x7f"
      "ELF new");
  const auto inverse = actions.prepare(install, 3);
  ASSERT_TRUE(inverse) << inverse.error().message();
  ASSERT_TRUE(actions.perform(install));
  EXPECT_EQ(content(tree, kPath),
            "\x7f"
            "ELF new");
  EXPECT_EQ(tree.root().status(kPath)->mode, 0755U);
  // Twice changes nothing.
  ASSERT_TRUE(actions.perform(install));
  ASSERT_THAT(inverse->actions, SizeIs(1));
  host::FakeCommandRunner runner;
  const FileActions files(tree.root(), runner, false);
  ASSERT_TRUE(files.perform(std::get<RemoveFile>(inverse->actions[0])));
  EXPECT_FALSE(tree.root().exists(kPath));
  // It never began: nothing to take away, and no failure.
  EXPECT_TRUE(files.perform(std::get<RemoveFile>(inverse->actions[0])));
}

TEST(ProgramActions, WhatSomebodyPutThereSinceIsNotTakenAway) {
  const HostTree tree{{"opt/gpunode/gpunode-runtime", "new"}};
  const ProgramActions actions(tree.root());
  const auto inverse = actions.prepare(install_of("new"), 3);
  ASSERT_TRUE(actions.perform(install_of("new")));
  tree.file("usr/bin/gpunode-runtime", "theirs");
  host::FakeCommandRunner runner;
  const FileActions files(tree.root(), runner, false);
  EXPECT_FALSE(files.perform(std::get<RemoveFile>(inverse->actions[0])));
  EXPECT_EQ(content(tree, kPath), "theirs");
}

TEST(ProgramActions, AnOlderOneComesBackAsItWas) {
  const HostTree tree{{"opt/gpunode/gpunode-runtime", "new"},
                      {"usr/bin/gpunode-runtime", "old"}};
  ASSERT_EQ(::chmod(tree.path("usr/bin/gpunode-runtime").c_str(), 0755), 0);
  const ProgramActions actions(tree.root());
  const auto inverse = actions.prepare(install_of("new"), 4);
  ASSERT_TRUE(inverse) << inverse.error().message();
  ASSERT_TRUE(actions.perform(install_of("new")));
  EXPECT_EQ(content(tree, kPath), "new");
  const auto& back = std::get<InstallProgram>(inverse->actions.at(0));
  ASSERT_TRUE(actions.perform(back));
  ASSERT_TRUE(actions.perform(back));
  EXPECT_EQ(content(tree, kPath), "old");
  EXPECT_EQ(tree.root().status(kPath)->mode, 0755U);
}

TEST(ProgramActions, AnOlderOneDoesNotTakeThePlaceOfANewerOfSomebodys) {
  const HostTree tree{{"opt/gpunode/gpunode-runtime", "new"},
                      {"usr/bin/gpunode-runtime", "old"}};
  const ProgramActions actions(tree.root());
  const auto inverse = actions.prepare(install_of("new"), 4);
  ASSERT_TRUE(inverse) << inverse.error().message();
  ASSERT_TRUE(actions.perform(install_of("new")));
  tree.file("usr/bin/gpunode-runtime", "a package's");
  const auto back =
      actions.perform(std::get<InstallProgram>(inverse->actions.at(0)));
  ASSERT_FALSE(back);
  EXPECT_THAT(back.error().message(), HasSubstr("which stays"));
  EXPECT_EQ(content(tree, kPath), "a package's");
  // One that is gone may come back.
  tree.remove("usr/bin/gpunode-runtime");
  ASSERT_TRUE(
      actions.perform(std::get<InstallProgram>(inverse->actions.at(0))));
  EXPECT_EQ(content(tree, kPath), "old");
}

TEST(ProgramActions, WhatWasChangedSinceThePlanIsNotInstalled) {
  const HostTree tree{{"opt/gpunode/gpunode-runtime", "other"}};
  const ProgramActions actions(tree.root());
  const auto done = actions.perform(install_of("new"));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), ErrorCode::kCorrupt);
  EXPECT_FALSE(tree.root().exists(kPath));
  tree.remove("opt/gpunode/gpunode-runtime");
  const auto gone = actions.perform(install_of("new"));
  ASSERT_FALSE(gone);
  EXPECT_THAT(gone.error().message(), HasSubstr("unpack gpunode's release"));
}

TEST(ProgramActions, ALinkAtItsPlaceIsSomebodysArrangement) {
  const HostTree tree{{"opt/gpunode/gpunode-runtime", "new"}};
  tree.directory("usr/bin");
  tree.link("usr/bin/gpunode-runtime", "/opt/other");
  const auto inverse =
      ProgramActions(tree.root()).prepare(install_of("new"), 1);
  ASSERT_FALSE(inverse);
  EXPECT_THAT(inverse.error().message(), HasSubstr("/opt/other"));
}

}  // namespace
}  // namespace gpunode::provision
