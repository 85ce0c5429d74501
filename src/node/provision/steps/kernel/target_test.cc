// kernel.target, as plans from facts.
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/provision/steps/kernel/kernel_steps.h"

namespace gpunode::provision {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST_F(KernelSteps, TheKernelThatRunsAndBootsNextNeedsNothing) {
  EXPECT_EQ(host_.plan(*target_).state, StepState::kOk);
}

// Node.md 0.5: update, and then devel for the kernel that no longer boots.
TEST_F(KernelSteps, AnUpdatedKernelIsBootedBeforeAnythingIsBuilt) {
  boots_next(kNew);
  const StepPlan plan = converges(*target_);
  EXPECT_THAT(actions(plan),
              ElementsAre(AllOf(HasSubstr("reboot: "), HasSubstr(kNew))));
  EXPECT_THAT(plan.why, AllOf(HasSubstr(kOld), HasSubstr("saved_entry")));
  EXPECT_EQ(host_.facts.kernel.release, kNew);
}

TEST_F(KernelSteps, APinnedKernelIsMadeTheDefaultAndHeld) {
  boots_next(kNew);
  host_.spec.host.kernel.policy = KernelPolicy::kPinRunning;
  host_.facts.packages["kernel-core"] = {"4.18.0-513.5.1.el8_9"};
  const StepPlan plan = converges(*target_);
  ASSERT_THAT(plan.actions, SizeIs(3));
  EXPECT_EQ(std::get<RunProgram>(plan.actions[0]).argv,
            (std::vector<std::string>{"/usr/sbin/grubby", "--set-default",
                                      std::string("/boot/vmlinuz-") + kOld}));
  EXPECT_EQ(std::get<RunProgram>(plan.actions[0]).undo.back(),
            std::string("/boot/vmlinuz-") + kNew);
  // Of a bare host dnf knows no `versionlock`.
  EXPECT_THAT(std::get<InstallPackages>(plan.actions[1]).packages,
              ElementsAre("python3-dnf-plugin-versionlock"));
  EXPECT_THAT(std::get<HoldPackages>(plan.actions[2]).packages,
              ElementsAre("kernel-core"));
}

TEST_F(KernelSteps, TheEntryThatWasSavedComesBack) {
  const std::string block = "# GRUB Environment Block\n";
  const auto undo_of = [&](const std::string& text) {
    host_.facts.files["/boot/grub2/grubenv"].content = text;
    return std::get<RunProgram>(host_.plan(*target_).actions.at(0)).undo;
  };
  const auto set = [](const std::string& value) {
    return std::vector<std::string>{"/usr/bin/grub2-editenv",
                                    "/boot/grub2/grubenv", "set",
                                    "saved_entry=" + value};
  };
  boots_next(kNew);
  host_.spec.host.kernel.policy = KernelPolicy::kPinRunning;
  for (const char* tool : {"/usr/sbin/grubby", "/usr/sbin/grub2-set-default"}) {
    SCOPED_TRACE(tool);
    host_.facts.trees.clear();
    host_.facts.trees[tool].exists = true;
    // Without the tool that sets it as well as can be.
    EXPECT_EQ(undo_of(block).front(), tool);
    host_.facts.trees["/usr/bin/grub2-editenv"].exists = true;
    for (const char* was : {"0c1d-4.18.0-553.el8.x86_64", "1", ""}) {
      EXPECT_EQ(undo_of(block + "saved_entry=" + was + "\nboot_success=1\n###"),
                set(was));
    }
    EXPECT_EQ(undo_of(block + "boot_success=1\n###"),
              (std::vector<std::string>{"/usr/bin/grub2-editenv",
                                        "/boot/grub2/grubenv", "unset",
                                        "saved_entry"}));
  }
}

TEST_F(KernelSteps, APinThatIsHalfDoneIsFinished) {
  host_.spec.host.kernel.policy = KernelPolicy::kPinRunning;
  host_.facts.packages["kernel-core"] = {"1"};
  host_.facts.packages["python3-dnf-plugin-versionlock"] = {"4.0.21-25.el8"};
  const StepPlan plan = converges(*target_);
  EXPECT_THAT(plan.actions, SizeIs(1));
}

// rpm's managers keep locks in files of theirs.
TEST_F(KernelSteps, APinIsSeenInEachManagersLocks) {
  host_.spec.host.kernel.policy = KernelPolicy::kPinRunning;
  host_.facts.packages["kernel-core"] = {"4.18.0-513.5.1.el8_9"};
  const std::vector<std::pair<std::string, std::string>> locks = {
      {"/etc/dnf/plugins/versionlock.list",
       "# Added lock\nkernel-core-0:4.18.0-513.5.1.el8_9.*\n"},
      {"/etc/yum/pluginconf.d/versionlock.list",
       "0:kernel-core-4.18.0-513.5.1.el8_9.*\n"},
      {"/etc/dnf/versionlock.toml", "[[packages]]\nname = \"kernel-core\"\n"},
      {"/etc/zypp/locks", "type: package\nsolvable_name: kernel-core\n"}};
  for (const auto& [path, text] : locks) {
    host_.facts.files.clear();
    EXPECT_EQ(host_.plan(*target_).state, StepState::kChange) << path;
    host_.facts.files[path].content = text;
    EXPECT_EQ(host_.plan(*target_).state, StepState::kOk) << path;
  }
  // Another package, whose name begins the same.
  host_.facts.files.clear();
  host_.facts.files["/etc/dnf/plugins/versionlock.list"].content =
      "kernel-core-debug-0:4.18.0-513.5.1.el8_9.*\n";
  EXPECT_EQ(host_.plan(*target_).state, StepState::kChange);
}

TEST_F(KernelSteps, APinOnAHostWhoseLoaderIsNotKnownIsAPersons) {
  boots_next(kNew);
  host_.spec.host.kernel.policy = KernelPolicy::kPinRunning;
  host_.facts.trees.clear();
  const StepPlan plan = host_.plan(*target_);
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.why, HasSubstr("boot loader"));
  EXPECT_THAT(plan.fix, HasSubstr("by hand"));
  EXPECT_THAT(actions(plan), IsEmpty());
}

TEST_F(KernelSteps, APinOnUbuntuIsGrubsDefault) {
  be_ubuntu("6.8.0-1012-aws");
  boots_next("6.8.0-1015-aws");
  host_.spec.host.kernel.policy = KernelPolicy::kPinRunning;
  host_.facts.files["/etc/default/grub"].content =
      "GRUB_DEFAULT=0\nGRUB_TIMEOUT=1\n";
  host_.facts.packages["linux-image-aws"] = {"6.8.0.1015"};
  const StepPlan plan = host_.plan(*target_);
  ASSERT_THAT(plan.actions, SizeIs(3));
  EXPECT_EQ(std::get<WriteFile>(plan.actions[0]).content,
            "GRUB_DEFAULT=\"gnulinux-advanced-abc-1>"
            "gnulinux-6.8.0-1012-aws-advanced-abc-1\"\nGRUB_TIMEOUT=1\n");
  EXPECT_EQ(std::get<RunProgram>(plan.actions[1]).argv,
            std::vector<std::string>{"/usr/sbin/update-grub"});
  EXPECT_THAT(std::get<HoldPackages>(plan.actions[2]).packages,
              ElementsAre("linux-image-aws"));
}

TEST_F(KernelSteps, ARootThatHasNoUuidTellsNoEntry) {
  be_ubuntu("6.8.0-1012-aws");
  boots_next("6.8.0-1015-aws");
  host_.spec.host.kernel.policy = KernelPolicy::kPinRunning;
  host_.facts.kernel.command_line = "root=PARTUUID=1 ro";
  EXPECT_EQ(host_.plan(*target_).state, StepState::kBlocked);
}

TEST_F(KernelSteps, AnExactKernelIsInstalledMadeTheDefaultAndBooted) {
  host_.spec.host.kernel = {KernelPolicy::kExact, kNew};
  host_.facts.packages["kernel"] = {"4.18.0-513.5.1.el8_9"};
  const StepPlan plan = converges(*target_);
  ASSERT_THAT(plan.actions, SizeIs(5));
  EXPECT_THAT(std::get<InstallPackages>(plan.actions[0]).packages,
              ElementsAre("kernel=4.18.0-553.22.1.el8_10"));
  EXPECT_THAT(actions(plan)[1], HasSubstr("--set-default"));
  EXPECT_THAT(actions(plan)[2], HasSubstr("versionlock"));
  EXPECT_THAT(actions(plan)[3], HasSubstr("keep kernel"));
  EXPECT_THAT(actions(plan)[4], HasSubstr("reboot: "));
  EXPECT_THAT(plan.notes, Contains(HasSubstr("vault/rocky/8.10")));
}

TEST_F(KernelSteps, APinIsLiftedOnceTheFileNoLongerAsksForIt) {
  host_.facts.packages["kernel-core"] = {"4.18.0-513.5.1.el8_9"};
  host_.facts.packages["python3-dnf-plugin-versionlock"] = {"4.0.21-25.el8"};
  const auto pin = [&] {
    host_.spec.driver.is_wanted = true;
    host_.spec.driver.source = DriverSource::kNvidia;
    host_.spec.host.kernel.policy = KernelPolicy::kPinRunning;
    EXPECT_THAT(actions(converges(*target_)),
                ElementsAre(HasSubstr("keep kernel-core")));
  };
  const auto expect_lifted = [&] {
    const StepPlan plan = host_.plan(*target_);
    EXPECT_EQ(plan.state, StepState::kChange) << plan.why;
    EXPECT_THAT(actions(plan),
                ElementsAre(HasSubstr("let kernel-core be updated")));
    host_.carry_out(plan);
    EXPECT_THAT(actions(host_.plan(*target_)), IsEmpty());
  };
  pin();
  host_.spec.host.kernel.policy = KernelPolicy::kAdoptNewest;
  expect_lifted();
  pin();
  host_.spec.driver.is_wanted = false;
  expect_lifted();
  pin();
  host_.spec.driver.source = DriverSource::kPreinstalled;
  host_.spec.host.kernel.policy = KernelPolicy::kAdoptNewest;
  expect_lifted();
}

TEST_F(KernelSteps, APinOfSomebodyElseStays) {
  host_.facts.packages["kernel-core"] = {"4.18.0-513.5.1.el8_9"};
  host_.spec.host.kernel.policy = KernelPolicy::kPinRunning;
  converges(*target_);
  host_.history.held.clear();
  host_.spec.host.kernel.policy = KernelPolicy::kAdoptNewest;
  EXPECT_EQ(host_.plan(*target_).state, StepState::kOk);
}

// dnf and zypper take no other version of what is locked.
TEST_F(KernelSteps, AnotherExactKernelIsLetInByOurOwnLock) {
  host_.facts.packages["kernel"] = {"4.18.0-513.5.1.el8_9"};
  host_.spec.host.kernel.policy = KernelPolicy::kPinRunning;
  converges(*target_);
  host_.spec.host.kernel = {KernelPolicy::kExact, kNew};
  EXPECT_THAT(
      actions(converges(*target_)),
      ElementsAre(HasSubstr("let kernel be"), HasSubstr("install kernel="),
                  HasSubstr("--set-default"), HasSubstr("keep kernel"),
                  HasSubstr("reboot: ")));
}

TEST_F(KernelSteps, GrubsDefaultOfAPinIsToldWhenItIsOver) {
  be_ubuntu("6.8.0-1012-aws");
  boots_next("6.8.0-1015-aws");
  host_.spec.host.kernel.policy = KernelPolicy::kPinRunning;
  host_.facts.files["/etc/default/grub"].content = "GRUB_DEFAULT=0\n";
  host_.carry_out(host_.plan(*target_));
  host_.facts.kernels.next = "6.8.0-1012-aws";
  host_.spec.host.kernel.policy = KernelPolicy::kAdoptNewest;
  EXPECT_THAT(host_.plan(*target_).notes,
              ElementsAre(HasSubstr("rollback --step kernel.target")));
}

TEST_F(KernelSteps, AKernelThatCannotBeToldIsNotGuessed) {
  add_kernel(kNew);
  host_.facts.kernels.next = "";
  host_.facts.kernels.next_why = "GRUB_DEFAULT is \"1>2\"";
  EXPECT_EQ(host_.plan(*target_).state, StepState::kBlocked);
  EXPECT_EQ(host_.plan(*build_).state, StepState::kBlocked);
}

}  // namespace
}  // namespace gpunode::provision
