#include "node/provision/module_actions.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/fake_command_runner.h"
#include "base/host/host_tree.h"

namespace gpunode::provision {
namespace {

using host::Completed;
using host::FakeCommandRunner;
using host::HostTree;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const std::string kOld = "6.1.0-18-amd64";
const std::string kNew = "6.1.0-20-amd64";
const BuildModule kBoth{"nvidia", {kOld, kNew}, true};

std::string question(const std::string& kernel) {
  return "/sbin/modinfo -k " + kernel + " nvidia";
}

std::string dkms(const std::string& verb, const std::string& kernel,
                 const std::string& source = "nvidia -v 580.65.06") {
  const std::string line =
      "/usr/sbin/dkms " + verb + " -m " + source + " -k " + kernel;
  return verb == "uninstall" ? line : line + " --force";
}

Completed module(const std::string& kernel,
                 const std::string& version = "580.65.06") {
  return {0,
          "filename:       /lib/modules/" + kernel + "/updates/nvidia.ko\n" +
              "version:        " + version + "\n" +
              "vermagic:       " + kernel + " SMP preempt mod_unload\n",
          ""};
}

const Completed kNone{1, "", "modinfo: ERROR: Module nvidia not found.\n"};

class ModuleActionsTest : public testing::Test {
 protected:
  ModuleActionsTest() {
    tree_.file("usr/sbin/dkms", "");
    tree_.file("usr/src/nvidia-580.65.06/dkms.conf", "");
    tree_.directory("var/lib/dkms/nvidia/580.65.06");
  }

  Result<void> perform(const BuildModule& action) {
    return ModuleActions(tree_.root(), runner_).perform(action);
  }

  HostTree tree_;
  FakeCommandRunner runner_;
};

TEST_F(ModuleActionsTest, WhatIsThereIsNotBuiltAgain) {
  runner_.script(question(kOld), module(kOld));
  runner_.script(question(kNew), module(kNew));
  EXPECT_TRUE(perform(kBoth));
  EXPECT_THAT(runner_.lines(), ElementsAre(question(kOld), question(kNew)));
  const auto inverse = ModuleActions(tree_.root(), runner_).prepare(kBoth);
  ASSERT_TRUE(inverse);
  EXPECT_THAT(inverse->actions, IsEmpty());
}

TEST_F(ModuleActionsTest, WhatAScriptletHidIsBuiltAndProved) {
  runner_.script(question(kOld), module(kOld));
  runner_.script(question(kNew), kNone);
  runner_.script(question(kNew), module(kNew));
  runner_.script(dkms("build", kNew), Completed{});
  runner_.script(dkms("install", kNew), Completed{});
  ASSERT_TRUE(perform(kBoth));
  EXPECT_THAT(runner_.lines(),
              ElementsAre(question(kOld), question(kNew), dkms("build", kNew),
                          dkms("install", kNew), question(kNew)));
}

// Its configuration calls the compiler "gcc", which is the system's older one.
TEST_F(ModuleActionsTest, OraclesUekIsBuiltWithItsToolset) {
  const std::string uek = "5.15.0-200.131.27.el8uek.x86_64";
  const auto path_for = [&](const std::string& kernel) {
    runner_.script(question(kernel), kNone);
    runner_.script(question(kernel), module(kernel));
    runner_.script(dkms("build", kernel), Completed{});
    runner_.script(dkms("install", kernel), Completed{});
    EXPECT_TRUE(perform({"nvidia", {kernel}, true}));
    for (const host::Command& command : runner_.commands()) {
      if (host::command_line(command) == dkms("build", kernel)) {
        return command.env.front();
      }
    }
    return std::string();
  };
  const std::string config =
      "CONFIG_CC_VERSION_TEXT=\"gcc (GCC) 11.2.1 20220127 (Red Hat "
      "11.2.1-9.2.0.1)\"\n";
  tree_.file("boot/config-" + uek, config);
  tree_.file("boot/config-" + kNew, config);
  EXPECT_THAT(path_for(kNew), Not(HasSubstr("toolset")));
  tree_.file("opt/rh/gcc-toolset-11/root/usr/bin/gcc", "");
  EXPECT_THAT(path_for(uek),
              testing::StartsWith(
                  "PATH=/opt/rh/gcc-toolset-11/root/usr/bin:/usr/sbin:"));
}

TEST_F(ModuleActionsTest, TheInverseTakesOffWhatWasNotThere) {
  runner_.script(question(kOld), module(kOld));
  runner_.script(question(kNew), kNone);
  const auto inverse = ModuleActions(tree_.root(), runner_).prepare(kBoth);
  ASSERT_TRUE(inverse);
  ASSERT_EQ(inverse->actions.size(), 1U);
  const auto& back = std::get<BuildModule>(inverse->actions[0]);
  EXPECT_THAT(back.kernels, ElementsAre(kNew));
  EXPECT_FALSE(back.built);
  EXPECT_EQ(inverse->undo, Undo::kCompensating);
}

TEST_F(ModuleActionsTest, OneOfTwoKernelsFailsAndNeitherGetsAnything) {
  runner_.script(question(kOld), kNone);
  runner_.script(question(kNew), kNone);
  runner_.script(dkms("build", kOld), Completed{});
  runner_.script(
      dkms("build", kNew),
      Completed{10, "", "Error! Bad return status for module build\n"});
  std::string log;
  for (int line = 1; line <= 100; ++line) {
    log += "line " + std::to_string(line) + "\n";
  }
  tree_.file("var/lib/dkms/nvidia/580.65.06/build/make.log",
             log + "nv.c:1: error: \x1b[31mno member\n");
  const auto failed = perform(kBoth);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), ErrorCode::kUnavailable);
  const std::string& words = failed.error().message();
  EXPECT_THAT(words, HasSubstr("cannot be built for the kernel " + kNew));
  EXPECT_THAT(words, HasSubstr("Bad return status"));
  EXPECT_THAT(words, HasSubstr("nv.c:1: error:  [31mno member"));
  EXPECT_THAT(words, HasSubstr("line 62\n"));
  EXPECT_THAT(words, Not(HasSubstr("line 61\n")));
  EXPECT_THAT(runner_.lines(),
              ElementsAre(question(kOld), question(kNew), dkms("build", kOld),
                          dkms("build", kNew)));
}

TEST_F(ModuleActionsTest, AWordOfDkmsAloneIsNoProof) {
  runner_.script(question(kOld), kNone);
  runner_.script(dkms("build", kOld), Completed{});
  runner_.script(dkms("install", kOld), Completed{});
  const auto failed = perform({"nvidia", {kOld}, true});
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message(), HasSubstr("modprobe would find no"));
}

TEST_F(ModuleActionsTest, AModuleOfAnotherKernelOrVersionIsNotTheOne) {
  // What is left in weak-updates, or of the driver before.
  for (const Completed& other : {module(kNew), module(kOld, "570.86.15")}) {
    FakeCommandRunner runner;
    runner.script(question(kOld), other);
    runner.script(question(kOld), module(kOld));
    runner.script(dkms("build", kOld), Completed{});
    runner.script(dkms("install", kOld), Completed{});
    EXPECT_TRUE(
        ModuleActions(tree_.root(), runner).perform({"nvidia", {kOld}, true}));
    EXPECT_EQ(runner.lines().size(), 4U);
  }
}

TEST_F(ModuleActionsTest, TheSourceIsTheOneThatDkmsKnowsUnderWhicheverName) {
  tree_.remove("var/lib/dkms/nvidia");
  tree_.file("usr/src/nvidia-open-570.86.15/dkms.conf", "");
  tree_.directory("var/lib/dkms/nvidia-open/570.86.15");
  tree_.file("usr/src/nvidia-fs-2.25/dkms.conf", "");
  tree_.file("usr/src/linux-headers-6.1.0-18/Makefile", "");
  runner_.script(question(kOld), kNone);
  runner_.script(question(kOld), module(kOld, "570.86.15"));
  const std::string source = "nvidia-open -v 570.86.15";
  runner_.script(dkms("build", kOld, source), Completed{});
  runner_.script(dkms("install", kOld, source), Completed{});
  EXPECT_TRUE(perform({"nvidia", {kOld}, true}));
}

TEST_F(ModuleActionsTest, TheNewerOfTwoSourcesIsBuiltByNumber) {
  tree_.file("usr/src/nvidia-580.105.08/dkms.conf", "");
  tree_.directory("var/lib/dkms/nvidia/580.105.08");
  runner_.script(question(kOld), module(kOld));
  runner_.script(question(kOld), module(kOld, "580.105.08"));
  const std::string source = "nvidia -v 580.105.08";
  runner_.script(dkms("build", kOld, source), Completed{});
  runner_.script(dkms("install", kOld, source), Completed{});
  EXPECT_TRUE(perform({"nvidia", {kOld}, true}));
}

TEST_F(ModuleActionsTest, ModulesThatCameReadyMadeNeedNoDkms) {
  const HostTree bare;
  bare.directory("usr/src");
  runner_.script(question(kOld), module(kOld));
  const ModuleActions modules(bare.root(), runner_);
  EXPECT_TRUE(modules.perform({"nvidia", {kOld}, true}));
  runner_.script(question(kNew), kNone);
  const auto failed = modules.perform({"nvidia", {kNew}, true});
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(failed.error().message(), HasSubstr("install the package"));
}

TEST_F(ModuleActionsTest, ASourceWithoutDkmsSaysWhatToInstall) {
  tree_.remove("usr/sbin/dkms");
  runner_.script(question(kOld), kNone);
  const auto failed = perform({"nvidia", {kOld}, true});
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message(), HasSubstr("install the package dkms"));
}

TEST_F(ModuleActionsTest, TakingOffIsDoneOnceAndNeedsNoSource) {
  const BuildModule off{"nvidia", {kOld, kNew}, false};
  runner_.script(question(kOld), module(kOld));
  runner_.script(question(kNew), kNone);
  runner_.script(dkms("uninstall", kOld), Completed{});
  EXPECT_TRUE(perform(off));
  EXPECT_THAT(
      runner_.lines(),
      ElementsAre(question(kOld), dkms("uninstall", kOld), question(kNew)));
  const HostTree bare;
  FakeCommandRunner silent;
  EXPECT_TRUE(ModuleActions(bare.root(), silent).perform(off));
  EXPECT_THAT(silent.lines(), IsEmpty());
}

TEST_F(ModuleActionsTest, WhatIsNoReleaseIsNoPath) {
  const auto failed = perform({"nvidia", {"../../etc"}, true});
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(runner_.lines(), IsEmpty());
}

TEST(LastLines, AreAtMostForty) {
  EXPECT_EQ(last_lines(""), "");
  EXPECT_EQ(last_lines("one\n"), "one");
  EXPECT_EQ(last_lines("\n\n"), "");
  std::string log;
  for (int line = 1; line <= 41; ++line) log += std::to_string(line) + "\n";
  EXPECT_TRUE(last_lines(log).starts_with("2\n"));
  EXPECT_TRUE(last_lines(log).ends_with("\n41"));
}

}  // namespace
}  // namespace gpunode::provision
