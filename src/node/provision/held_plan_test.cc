#include "node/provision/held_plan.h"

#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/provision/action_json.h"
#include "node/provision/seen_content.h"

namespace gpunode::provision {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const DiskIdentity kDisk{"NVMe", "AWS1", 600};

MakeFilesystem make_on(const DiskIdentity& disk, std::string proof) {
  return {{disk}, "single", "xfs", "gn-a", "U1", std::move(proof)};
}

WriteFile write(const std::string& path, const std::string& content,
                const std::optional<std::string>& before = {}) {
  return {.path = path, .content = content, .before = seen_content(before)};
}

StepPlan change(std::vector<Action> actions) {
  return {.state = StepState::kChange, .actions = std::move(actions)};
}

PlannedStep planned(std::vector<Action> actions) {
  return {"s", "", "", change(std::move(actions)), {"prep.packages"}};
}

Held hold(const std::vector<Action>& then, const std::vector<Action>& now,
          const RunSoFar& so_far = {}) {
  return hold_to_plan(planned(then), change(now), so_far);
}

JournalLine line_of(std::uint64_t seq, Action action) {
  JournalLine line{.seq = seq,
                   .run = "r",
                   .event = JournalEvent::kBegin,
                   .step = "prep.packages"};
  line.action = std::move(action);
  return line;
}

/// The run has carried out prep.packages.
RunSoFar after_packages() {
  return run_so_far({line_of(1, InstallPackages{{"chrony"}})}, "r");
}

const SetUnit kStop{.unit = "c.service", .active = Wish::kNo};
const SetUnit kStart{.unit = "c.service", .active = Wish::kYes};

TEST(HeldPlan, ThePlannedIsDoneAndWhatRemainsOfIt) {
  const std::vector<Action> all = {
      kStop, write("/etc/a", "1"),
      SetUnit{.unit = "m.mount", .enabled = Wish::kYes, .active = Wish::kYes},
      kStart};
  EXPECT_THAT(hold(all, all).actions, SizeIs(4));
  const Held rest =
      hold(all, {SetUnit{.unit = "m.mount", .active = Wish::kYes}, kStart},
           run_so_far({line_of(1, kStop)}, "r"));
  EXPECT_THAT(rest.differs, IsEmpty());
  EXPECT_THAT(rest.actions, SizeIs(2));
  EXPECT_THAT(hold(all, {}).differs, IsEmpty());
  const Held packages = hold({InstallPackages{{"chrony", "socat"}}},
                             {InstallPackages{{"socat"}}});
  EXPECT_THAT(packages.actions, SizeIs(1));
}

// Whether it runs may not be known by now; what was to come while it is stopped
// must not come while it runs.
TEST(HeldPlan, WhatWasToBeStoppedIsStoppedOrWasByThisRun) {
  const MigrateTree migrate{"/var/lib/c", "U1", "xfs", "/var/lib/c.old"};
  const std::vector<Action> all = {kStop, migrate, kStart};
  const std::vector<Action> rest = {migrate, kStart};
  EXPECT_THAT(hold(all, rest).differs, HasSubstr("stop c.service"));
  EXPECT_THAT(hold(all, rest).actions, IsEmpty());
  const auto lines = {line_of(1, kStop)};
  EXPECT_THAT(hold(all, rest, run_so_far(lines, "r")).actions, SizeIs(2));
  EXPECT_THAT(hold(all, rest, run_so_far(lines, "q")).actions, IsEmpty());
  // After a boot it may not have come up again: its disk is not there.
  JournalLine start{.run = "r", .event = JournalEvent::kRun};
  EXPECT_THAT(hold(all, rest, run_so_far({start}, "r")).actions, IsEmpty());
  EXPECT_THAT(hold(all, rest, run_so_far({start, start}, "r")).actions,
              SizeIs(2));
  // Masked and stopped in one: half of it is not enough.
  const SetUnit both{
      .unit = "c.service", .masked = Wish::kYes, .active = Wish::kNo};
  const SetUnit half{.unit = "c.service", .masked = Wish::kYes};
  EXPECT_THAT(hold({both}, {half}).differs, HasSubstr("stop"));
}

TEST(HeldPlan, WhatIsNotWantedAnyMoreWasDoneByThisRunOrDiffers) {
  const PlannedStep step = planned({kStart});
  const StepPlan now = StepPlan::not_wanted("c is not installed");
  EXPECT_THAT(hold_to_plan(step, now, {}).differs,
              HasSubstr("not wanted now: c is not installed"));
  // A removal that is done is not wanted any more.
  RunSoFar so_far;
  so_far.steps = {"s"};
  EXPECT_THAT(hold_to_plan(step, now, so_far).differs, IsEmpty());
}

TEST(HeldPlan, AnotherOrderIsAnotherPlan) {
  EXPECT_THAT(hold({kStop, kStart}, {kStart, kStop}).differs,
              HasSubstr("stop c.service"));
}

TEST(HeldPlan, MoreThanWasPlannedIsNotDone) {
  const std::vector<Action> then = {kStart};
  for (const Action& more : std::vector<Action>{
           kStop, write("/etc/b", "x"), RemoveFile{"/etc/b"},
           InstallPackages{{"z"}}, make_on(kDisk, "p"), SetSwap{"/dev/sda3"},
           MigrateTree{"/var/lib/c", "U1", "xfs", "/var/lib/c.old"},
           RunProgram{{"/bin/true"}}, Reboot{"why not"},
           SetUnit{.unit = "c.service", .masked = Wish::kYes}}) {
    // Even to a Step that counts on one that was done.
    const Held held = hold(then, {kStart, more}, after_packages());
    EXPECT_THAT(held.differs, HasSubstr("not in the plan")) << describe(more);
    EXPECT_THAT(held.actions, IsEmpty());
  }
}

TEST(HeldPlan, AnotherDiskIsNeverTaken) {
  const DiskIdentity other{"NVMe", "AWS2", 600};
  const Held held = hold({make_on(kDisk, "p")}, {make_on(other, "p")});
  EXPECT_THAT(held.differs, HasSubstr("AWS1"));
  EXPECT_THAT(held.differs, HasSubstr("AWS2"));
}

TEST(HeldPlan, AnotherContentOfTheDiskIsAReasonToStop) {
  const Held held = hold({make_on(kDisk, "blank")}, {make_on(kDisk, "data")});
  EXPECT_THAT(held.differs, HasSubstr("not what the plan saw"));
  MakeFilesystem erase = make_on(kDisk, "blank");
  erase.wipe = true;
  EXPECT_THAT(hold({make_on(kDisk, "blank")}, {erase}).differs,
              HasSubstr("ERASING"));
}

TEST(HeldPlan, AFileSystemThatThisRunBeganIsMadeWhole) {
  MakeFilesystem erase = make_on(kDisk, "half");
  erase.wipe = true;
  std::vector<JournalLine> lines = {line_of(4, make_on(kDisk, "blank"))};
  const std::vector<Action> then = {make_on(kDisk, "blank")};
  EXPECT_THAT(hold(then, {erase}, run_so_far(lines, "r")).actions, SizeIs(1));
  // Another run's is none of ours.
  EXPECT_THAT(hold(then, {erase}, run_so_far(lines, "q")).actions, IsEmpty());
  // Ended, whichever way: what is there by now came after.
  lines.push_back({.run = "r", .event = JournalEvent::kFailed, .of = 4});
  EXPECT_THAT(hold(then, {erase}, run_so_far(lines, "r")).actions, IsEmpty());
}

TEST(HeldPlan, AJoinThatThisRunBeganIsTakenBackAndMadeAgain) {
  JoinCluster join;
  join.endpoint = "10.0.0.10:6443";
  join.node = "gpu-1";
  const std::vector<Action> again = {LeaveCluster{"gpu-1"}, join};
  EXPECT_THAT(hold({join}, again).differs, HasSubstr("leave the cluster"));
  const JournalLine begin = line_of(7, join);
  const RunSoFar cut = run_so_far({begin}, "r");
  EXPECT_THAT(hold({join}, again, cut).differs, IsEmpty());
  EXPECT_THAT(hold({join}, again, cut).actions, SizeIs(2));
  // Of another name or run, or one that came to its end, nothing is taken back.
  EXPECT_THAT(hold({join}, {LeaveCluster{"gpu-2"}, join}, cut).differs,
              HasSubstr("leave the cluster"));
  EXPECT_THAT(hold({join}, again, run_so_far({begin}, "s")).differs,
              HasSubstr("leave the cluster"));
  const JournalLine end{
      .seq = 8, .run = "r", .event = JournalEvent::kFailed, .of = 7};
  EXPECT_THAT(hold({join}, again, run_so_far({begin, end}, "r")).differs,
              HasSubstr("leave the cluster"));
}

TEST(HeldPlan, AFileIsAsThePlanSawItOrAsThisRunLeftIt) {
  const std::vector<Action> then = {write("/etc/fstab", "new", "old")};
  const std::vector<Action> now = {write("/etc/fstab", "new", "between")};
  EXPECT_THAT(hold(then, now).differs, HasSubstr("/etc/fstab was changed"));
  const auto left =
      run_so_far({line_of(1, write("/etc/fstab", "between"))}, "r");
  EXPECT_THAT(hold(then, now, left).actions, SizeIs(1));
  // Nor may it get another content than was shown.
  EXPECT_THAT(
      hold(then, {write("/etc/fstab", "newer", "between")}, left).differs,
      HasSubstr("/etc/fstab was changed"));
  EXPECT_THAT(hold({RemoveFile{"/etc/x", seen_content("a")}},
                   {RemoveFile{"/etc/x", seen_content("b")}})
                  .differs,
              HasSubstr("/etc/x was changed"));
}

TEST(HeldPlan, WhatAPackageBroughtIsCountedOnWhereTheStepSaysSo) {
  const std::vector<Action> then = {
      write("/etc/c.conf", "ours"),
      SetUnit{.unit = "chrony.service", .active = Wish::kYes}};
  const std::vector<Action> now = {
      write("/etc/c.conf", "theirs and ours", "theirs"),
      SetUnit{.unit = "chronyd.service", .active = Wish::kYes}};
  EXPECT_THAT(hold(then, now, after_packages()).actions, SizeIs(2));
  EXPECT_THAT(hold(then, now).differs, HasSubstr("/etc/c.conf"));
  // A file that was there then is somebody's, whatever came since.
  EXPECT_THAT(
      hold({write("/etc/c.conf", "ours", "old")}, {now[0]}, after_packages())
          .differs,
      HasSubstr("/etc/c.conf"));
}

TEST(HeldPlan, ANewObstacleIsTold) {
  const PlannedStep step = planned({kStart});
  EXPECT_THAT(
      hold_to_plan(step, StepPlan::refused("not yours", "find another"), {})
          .differs,
      HasSubstr("refused now: not yours; find another"));
  StepPlan drift = change({kStart});
  drift.state = StepState::kDrift;
  drift.why = "/etc/a was changed by hand";
  EXPECT_THAT(hold_to_plan(step, drift, {}).differs, HasSubstr("by hand"));
  PlannedStep agreed = step;
  agreed.plan.state = StepState::kDrift;
  EXPECT_THAT(hold_to_plan(agreed, drift, {}).actions, SizeIs(1));
}

}  // namespace
}  // namespace gpunode::provision
