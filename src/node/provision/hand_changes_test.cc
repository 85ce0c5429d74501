#include "node/provision/hand_changes.h"

#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/provision/resumption.h"

namespace gpunode::provision {
namespace {

using testing::HasSubstr;

constexpr const char* kConfig = "/etc/containerd/config.toml";
constexpr const char* kLeft = "# mine\nversion = 2\nSystemdCgroup = true\n";

/// What earlier runs did, and a plan of one Step.
struct Past {
  std::vector<JournalLine> lines;
  std::string run = "r";
  facts::HostFacts now = [] {
    facts::HostFacts facts;
    facts.kernel.boot_id = "now";
    return facts;
  }();

  Past& begun(Action action, const std::string& boot = "now") {
    lines.push_back({.seq = lines.size() + 1,
                     .boot_id = boot,
                     .run = run,
                     .event = JournalEvent::kBegin,
                     .step = "a"});
    lines.back().action = std::move(action);
    return *this;
  }
  Past& ended(JournalEvent event) {
    const std::uint64_t of = lines.back().seq;
    lines.push_back({.seq = lines.size() + 1, .event = event, .of = of});
    return *this;
  }
  /// Seen through: the next Step began.
  Past& done(Action action, const std::string& boot = "now") {
    return begun(std::move(action), boot)
        .ended(JournalEvent::kDone)
        .next_begun();
  }
  Past& run_begun(const std::string& name, const std::string& command) {
    run = name;
    lines.push_back({.seq = lines.size() + 1,
                     .run = run,
                     .event = JournalEvent::kRun,
                     .note = command});
    return *this;
  }
  Past& run_ended(const std::string& step) {
    lines.push_back({.seq = lines.size() + 1,
                     .run = run,
                     .event = JournalEvent::kEnd,
                     .step = step});
    return *this;
  }
  Past& next_begun() {
    begun(SetSysctl{"c.d", "1"});
    lines.back().step = "b";
    return *this;
  }

  StepPlan judged(std::vector<Action> actions,
                  StepState state = StepState::kChange,
                  const std::string& before = "") const {
    Plan plan;
    plan.steps = {{.id = "a",
                   .title = "",
                   .reason = "",
                   .plan = {.state = state,
                            .why = "it is not so",
                            .actions = std::move(actions),
                            .before = {{kConfig, before}}}}};
    tell_hand_changes(lines, now, plan);
    return plan.steps.front().plan;
  }
};

SetUnit enable(const char* unit) {
  return {.unit = unit, .enabled = Wish::kYes};
}

TEST(HandChanges, WhatWasNeverDoneIsToDo) {
  EXPECT_EQ(Past().judged({SetSysctl{"a.b", "1"}}).state, StepState::kChange);
}

TEST(HandChanges, ASettingThatIsToBeMadeAgainWasChanged) {
  const std::vector<std::pair<Action, std::string>> cases = {
      {SetSysctl{"net.ipv4.ip_forward", "1"}, "net.ipv4.ip_forward"},
      {SetModule{"overlay"}, "the kernel module overlay"},
      {SetSwap{.path = "/swapfile"}, "swap on /swapfile"},
      {enable("a.timer"), "whether a.timer starts at boot"},
      {SetUnit{.unit = "a.swap", .masked = Wish::kYes},
       "whether a.swap is masked"},
      {InstallProgram{"/from", "/usr/bin/x", "digest"}, "/usr/bin/x"}};
  for (const auto& [action, what] : cases) {
    Past past;
    past.done(action);
    const StepPlan plan = past.judged({action});
    EXPECT_EQ(plan.state, StepState::kDrift) << what;
    EXPECT_EQ(plan.why,
              what + " was changed since gpunode set it: it is not so");
    // Undone by a rollback it is nobody's.
    past.lines.push_back({.seq = past.lines.size() + 1,
                          .event = JournalEvent::kUndone,
                          .of = 1});
    EXPECT_EQ(past.judged({action}).state, StepState::kChange) << what;
  }
}

TEST(HandChanges, AnotherWishOfTheFileIsNone) {
  Past past;
  past.done(SetSysctl{"a.b", "1"}).done(enable("a.timer"));
  EXPECT_EQ(past.judged({SetSysctl{"a.b", "2"}}).state, StepState::kChange);
  EXPECT_EQ(
      past.judged({SetUnit{.unit = "a.timer", .enabled = Wish::kNo}}).state,
      StepState::kChange);
  // Off and on again by the same plan.
  past.done(SetModule{"nvidia"});
  EXPECT_EQ(
      past.judged({SetModule{"nvidia", false}, SetModule{"nvidia"}}).state,
      StepState::kChange);
}

TEST(HandChanges, WhatABootTakesAwayIsNone) {
  Past past;
  past.done(SetSysctl{"a.b", "1"}, "before").done(enable("a.timer"), "before");
  // systemctl syncs nothing: the power may have gone before the link was kept.
  EXPECT_EQ(past.judged({enable("a.timer")}).state, StepState::kChange);
  past.lines.push_back(
      {.seq = 5, .run = "r", .event = JournalEvent::kEnd, .note = "done"});
  EXPECT_EQ(past.judged({SetSysctl{"a.b", "1"}}).state, StepState::kChange);
  EXPECT_EQ(past.judged({enable("a.timer")}).state, StepState::kDrift);
}

TEST(HandChanges, WhatWasCutOffOrSwitchedByPackagesIsNone) {
  Past past;
  past.begun(SetSysctl{"a.b", "1"});
  EXPECT_EQ(past.judged({SetSysctl{"a.b", "1"}}).state, StepState::kChange);
  past.ended(JournalEvent::kFailed);
  EXPECT_EQ(past.judged({SetSysctl{"a.b", "1"}}).state, StepState::kChange);
  past.done(enable("a.timer")).done(InstallPackages{{"a"}});
  EXPECT_EQ(past.judged({enable("a.timer")}).state, StepState::kChange);
}

// A run that goes on does again what it had not seen through; what somebody
// changed of a Step that had ended is theirs, in whatever run.
TEST(HandChanges, WhatItsRunDidNotSeeThroughIsNone) {
  const SetSysctl action{"a.b", "1"};
  Past amid;
  amid.begun(action).ended(JournalEvent::kDone);
  EXPECT_EQ(amid.judged({action}).state, StepState::kChange);
  Past later = amid;
  later.next_begun();
  EXPECT_EQ(later.judged({action}).state, StepState::kDrift);
  Past failed = amid;
  failed.run_ended("a");
  EXPECT_EQ(failed.judged({action}).state, StepState::kChange);
  Past through = failed;
  through.run_ended("");
  EXPECT_EQ(through.judged({action}).state, StepState::kDrift);
}

// That a later run stopped at the Step, having done nothing of it, gives nobody
// what was seen through before.
TEST(HandChanges, WhatAnEarlierRunSawThroughIsToldWhereALaterOneStopped) {
  const SetSysctl action{"a.b", "1"};
  Past past;
  past.run_begun("r1", "apply").done(action).run_ended("");
  past.run_begun("r2", "apply").run_ended("a");
  EXPECT_EQ(past.judged({action}).state, StepState::kDrift);
  // Nor that it failed amid something else of it.
  past.run_begun("r3", "apply")
      .begun(SetSysctl{"e.f", "1"})
      .ended(JournalEvent::kFailed)
      .run_ended("a");
  EXPECT_EQ(past.judged({action}).state, StepState::kDrift);
  // The same run, gone on with after the Step had ended.
  Past resumed;
  resumed.run_begun("r1", "apply").done(action);
  resumed.run_begun("r1", "resume").run_ended("a");
  EXPECT_EQ(resumed.judged({action}).state, StepState::kDrift);
}

TEST(HandChanges, ARunOfSingleStepsEndsNoOther) {
  const SetSysctl action{"a.b", "1"};
  Past past;
  past.run_begun("r1", "apply").begun(action).ended(JournalEvent::kDone);
  past.run_begun("boot", kOnlyCommand).next_begun().run_ended("");
  EXPECT_EQ(past.judged({action}).state, StepState::kChange);
  Past same = past;
  same.run_begun("only", kOnlyCommand)
      .begun(action)
      .ended(JournalEvent::kDone)
      .run_ended("");
  EXPECT_EQ(same.judged({action}).state, StepState::kDrift);
  // Nor does the run itself, gone on with, that has to do with one before it.
  Past again = past;
  again.run_begun("r1", "resume").next_begun().run_ended("b");
  EXPECT_EQ(again.judged({action}).state, StepState::kChange);
  // Another that began anew saw all of the file through.
  past.run_begun("r2", "apply").next_begun().run_ended("");
  EXPECT_EQ(past.judged({action}).state, StepState::kDrift);
}

TEST(HandChanges, AServiceThatEndedIsStartedAgain) {
  const SetUnit start{.unit = "a.service", .active = Wish::kYes};
  EXPECT_EQ(Past().done(start).judged({start}).state, StepState::kChange);
}

TEST(HandChanges, OurLinesInSomebodysFileAreTold) {
  Past past;
  past.done(WriteFile{.path = kConfig, .content = kLeft});
  // Somebody's own line beside is theirs.
  const std::string off =
      "# mine\nroot = 1\nversion = 2\nSystemdCgroup = false\n";
  const WriteFile back{.path = kConfig,
                       .content =
                           "# mine\nroot = 1\nversion = 2\nSystemdCgroup = "
                           "true\n"};
  const StepPlan plan = past.judged({back}, StepState::kChange, off);
  EXPECT_EQ(plan.state, StepState::kDrift);
  EXPECT_THAT(plan.why, HasSubstr("what gpunode set in /etc/containerd/"
                                  "config.toml was changed since"));
  // All of it is gone.
  EXPECT_EQ(past.judged({WriteFile{.path = kConfig, .content = kLeft}}).state,
            StepState::kDrift);
}

TEST(HandChanges, AnotherWishOfSomebodysFileIsNone) {
  Past past;
  past.done(WriteFile{.path = kConfig, .content = kLeft});
  const WriteFile other{
      .path = kConfig,
      .content = "# mine\nversion = 2\nSystemdCgroup = true\nimage = 3\n"};
  EXPECT_EQ(past.judged({other}, StepState::kChange, kLeft).state,
            StepState::kChange);
  EXPECT_EQ(past.judged({other}, StepState::kChange,
                        std::string(kLeft) + "root = 1\n")
                .state,
            StepState::kChange);
  // A run was cut off after it had begun to write it.
  past.begun(WriteFile{.path = kConfig, .content = "half\n"});
  EXPECT_EQ(past.judged({WriteFile{.path = kConfig, .content = kLeft}},
                        StepState::kChange, "half\n")
                .state,
            StepState::kChange);
}

TEST(HandChanges, AFileOfThisBootIsNone) {
  const WriteFile mark{.path = "/run/gpunode/mark", .content = "x\n"};
  Past past;
  past.done(mark);
  Plan plan;
  plan.steps = {{.id = "a",
                 .title = "",
                 .reason = "",
                 .plan = {.state = StepState::kChange,
                          .actions = {mark},
                          .before = {{mark.path, ""}}}}};
  tell_hand_changes(past.lines, past.now, plan);
  EXPECT_EQ(plan.steps.front().plan.state, StepState::kChange);
}

TEST(HandChanges, WhatIsAsItWasSetIsNone) {
  Past past;
  past.done(enable("a.timer"));
  past.now.units["a.timer"] = {.load_state = "loaded",
                               .active_state = "inactive",
                               .unit_file_state = "enabled"};
  EXPECT_EQ(past.judged({enable("a.timer")}).state, StepState::kChange);
  past.now.units["a.timer"].unit_file_state = "disabled";
  EXPECT_EQ(past.judged({enable("a.timer")}).state, StepState::kDrift);
  past.done(SetModule{.name = "ib-umad", .loaded = true});
  EXPECT_EQ(past.judged({SetModule{.name = "ib-umad", .loaded = true}}).state,
            StepState::kDrift);
  past.now.modules["ib_umad"] = true;
  EXPECT_EQ(past.judged({SetModule{.name = "ib-umad", .loaded = true}}).state,
            StepState::kChange);
}

TEST(HandChanges, WhatIsBlockedStaysSo) {
  Past past;
  past.done(enable("a.timer"));
  EXPECT_EQ(past.judged({enable("a.timer")}, StepState::kBlocked).state,
            StepState::kBlocked);
}

}  // namespace
}  // namespace gpunode::provision
