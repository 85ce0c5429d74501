#include "node/provision/half_driver.h"

#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/provision/resumption.h"

namespace gpunode::provision {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kOld = "580.65.06";
constexpr const char* kNew = "580.95.05";

InstallSet set_of(const char* version) {
  return {.packages = {"nvidia-driver-cuda"}, .version = version};
}

/// A journal, and the plan of what is left to do.
struct World {
  std::vector<JournalLine> lines = {
      {.seq = 1, .run = "r1", .event = JournalEvent::kRun, .note = "apply"}};
  facts::HostFacts now;

  JournalLine& add(JournalEvent event, const std::string& step = "") {
    lines.push_back({.seq = lines.size() + 1,
                     .run = lines.back().run,
                     .event = event,
                     .step = step});
    return lines.back();
  }
  World& begun(const std::string& step, Action action,
               std::vector<Action> inverse = {}) {
    JournalLine& line = add(JournalEvent::kBegin, step);
    line.action = std::move(action);
    line.inverse = std::move(inverse);
    return *this;
  }
  World& done() {
    const std::uint64_t of = lines.back().seq;
    add(JournalEvent::kDone).of = of;
    return *this;
  }
  /// A driver in another's place.
  World& installed() {
    begun("driver.packages", set_of(kNew),
          {InstallSet{.packages = {"nvidia-driver-cuda=580.65.06"}}});
    return done();
  }
  World& run(const char* name, const char* command) {
    JournalLine& line = add(JournalEvent::kRun);
    line.run = name;
    line.note = command;
    return *this;
  }
  World& ended(const char* note) {
    add(JournalEvent::kEnd).note = note;
    return *this;
  }

  Plan plan() const {
    Plan plan;
    const auto step = [&](const char* id, const char* why, Action action) {
      plan.steps.push_back({.id = id, .title = "", .reason = "", .plan = {}});
      StepPlan& one = plan.steps.back().plan;
      one.state = StepState::kChange;
      one.why = why;
      one.actions.push_back(std::move(action));
    };
    step("driver.packages", "missing: some", set_of(kNew));
    step("driver.modules", "the kernel 6.1 has no module nvidia",
         BuildModule{.module = "nvidia", .kernels = {"6.1"}});
    tell_half_driver(lines, now, plan);
    return plan;
  }
  std::string packages() const { return plan().steps[0].plan.why; }
  std::string modules() const { return plan().steps[1].plan.why; }
};

TEST(HalfDriver, BetweenPackagesAndModulesIsTold) {
  World world;
  world.installed();
  world.now.driver.library = kNew;
  world.now.driver.loaded_version = kOld;
  EXPECT_EQ(
      world.modules(),
      "half installed: the run r1 was cut off after the driver's packages and "
      "before modules for them; installed is 580.95.05 (nvidia-driver-cuda "
      "580.65.06 before), and the module that is loaded is 580.65.06, which it "
      "cannot speak to; this builds what lacks, and driver.load loads it; or "
      "`gpunode rollback --step driver.packages` puts back what was there: the "
      "kernel 6.1 has no module nvidia");
  EXPECT_EQ(world.packages(), "missing: some");
}

TEST(HalfDriver, AFirstDriverHasNothingToComeBack) {
  World world;
  world
      .begun("driver.packages", set_of(kNew),
             {RemovePackages{{"nvidia-driver-cuda"}}})
      .done();
  EXPECT_THAT(
      world.modules(),
      AllOf(HasSubstr("installed is 580.95.05, and no module is loaded"),
            HasSubstr("--step driver.packages` takes them away")));
}

TEST(HalfDriver, AmidThePackagesIsTold) {
  World world;
  world.begun("driver.packages", set_of(kNew),
              {InstallSet{.packages = {"nvidia-driver-cuda=580.65.06"}}});
  EXPECT_THAT(
      world.packages(),
      AllOf(HasSubstr("the run r1 was cut off amid these packages "
                      "(nvidia-driver-cuda 580.65.06 before)"),
            HasSubstr("this brings what lacks"), HasSubstr(": missing: some")));
  // Whether they are installed nobody knows.
  EXPECT_EQ(world.modules(), "the kernel 6.1 has no module nvidia");
}

TEST(HalfDriver, ARunThatFailedIsToldForThat) {
  World world;
  world.installed().ended("failed nvidia cannot be built");
  EXPECT_THAT(world.modules(), HasSubstr("the run r1 failed after"));
  // And then was gone on with, and cut off.
  world.add(JournalEvent::kRun);
  EXPECT_THAT(world.modules(), HasSubstr("the run r1 was cut off after"));
}

// A kernel that came later has no module either, and nothing is by halves.
TEST(HalfDriver, WhatWasSeenThroughIsNone) {
  const std::string why = "the kernel 6.1 has no module nvidia";
  for (const char* note : {"done ", "more-to-do x", "reboot-needed x"}) {
    World ended;
    ended.installed().ended(note);
    EXPECT_EQ(ended.modules(), why) << note;
  }
  World built;
  built.installed().begun("driver.modules", BuildModule{.module = "nvidia"});
  EXPECT_NE(built.modules(), why);  // It may have been cut off in that.
  built.done();
  EXPECT_EQ(built.modules(), why);
  World undone;
  undone.installed();
  undone.add(JournalEvent::kUndone).of = 2;
  EXPECT_EQ(undone.modules(), why);
  EXPECT_EQ(World().modules(), why);
}

// dkms builds it in the packages' own scripts, and no line says so.
TEST(HalfDriver, WhatARunWentPastIsNone) {
  const std::string why = "the kernel 6.1 has no module nvidia";
  World joined;
  joined.installed();
  joined.add(JournalEvent::kEnd, "kubernetes.join").note = "failed bad token";
  EXPECT_EQ(joined.modules(), why);
  World cut;
  cut.installed().begun("driver.load", SetModule{"nvidia"});
  EXPECT_EQ(cut.modules(), why);
  World held;
  held.installed().begun("driver.hold", HoldPackages{{"nvidia"}}).done();
  held.add(JournalEvent::kEnd, "driver.modules").note = "failed no compiler";
  EXPECT_THAT(held.modules(), HasSubstr("half installed"));
  // Gone on with, something before it has to be done once more.
  World again;
  again.installed();
  again.add(JournalEvent::kRun).note = "resume";
  again.begun("prep.sysctl", SetSysctl{"a.b", "1"}).done();
  EXPECT_THAT(again.modules(), HasSubstr("half installed"));
}

TEST(HalfDriver, WhatALaterRunSawThroughIsNone) {
  World later;
  later.installed().run("r2", "apply").ended("done");
  EXPECT_EQ(later.modules(), "the kernel 6.1 has no module nvidia");
  World failed;
  failed.installed().run("r2", "apply").ended("failed no network");
  EXPECT_THAT(failed.modules(), HasSubstr("half installed"));
  World disk;
  disk.installed().run("boot", kOnlyCommand).ended("done");
  EXPECT_THAT(disk.modules(), HasSubstr("half installed"));
}

}  // namespace
}  // namespace gpunode::provision
