#include "node/provision/executor.h"

#include <functional>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/provision/run_world_test.h"

namespace gpunode::provision {
namespace {

using host::HostTree;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

TEST(Executor, DoesWhatIsPlannedAndThenNothing) {
  World world;
  const RunOutcome outcome = world.apply(world.performer);
  EXPECT_EQ(outcome.end, RunEnd::kDone) << outcome.message;
  EXPECT_EQ(outcome.changed, 2U);
  EXPECT_THAT(world.silent.said, ElementsAre("a 1/2", "a ok", "b 2/2", "b ok"));
  EXPECT_EQ(plan_for(world.tree).changes(), 0U);
}

TEST(Executor, RollsBackToWhatWasByteForByte) {
  World world;
  const auto before = snapshot(world.tree);
  world.apply(world.performer);
  EXPECT_NE(snapshot(world.tree), before);
  const auto undone = world.undo_all();
  ASSERT_TRUE(undone) << undone.error().message();
  EXPECT_EQ(snapshot(world.tree), before);
  // And again: nothing is left to undo.
  ASSERT_TRUE(world.undo_all());
  EXPECT_EQ(snapshot(world.tree), before);
}

// Every place where a power cut can come: before and after each thing that is
// prepared or done, which is before and after each line of the journal.
TEST(Executor, KilledAnywhereASecondApplyEndsAsOneThatWasNot) {
  World whole;
  whole.apply(whole.performer);
  const auto wanted = snapshot(whole.tree);
  int deaths = 0;
  for (int lives = 0;; ++lives) {
    World world;
    const auto before = snapshot(world.tree);
    if (!world.apply_and_die(lives)) break;
    ++deaths;
    const RunOutcome outcome = world.apply(world.performer);
    EXPECT_EQ(outcome.end, RunEnd::kDone) << lives << outcome.message;
    EXPECT_EQ(snapshot(world.tree), wanted) << lives;
    ASSERT_TRUE(world.undo_all()) << lives;
    EXPECT_EQ(snapshot(world.tree), before) << lives;
  }
  // Six actions: each is prepared and performed, each with two sides.
  EXPECT_EQ(deaths, 6 * 4);
}

TEST(Executor, KilledAnywhereItCanBeUndoneAtOnce) {
  for (int lives = 0;; ++lives) {
    World world;
    const auto before = snapshot(world.tree);
    if (!world.apply_and_die(lives)) break;
    ASSERT_TRUE(world.undo_all()) << lives;
    EXPECT_EQ(snapshot(world.tree), before) << lives;
  }
}

/// Fails at the action with this path.
class Failing final : public Performer {
 public:
  explicit Failing(Performer& inner) : inner_(inner) {}
  Result<Inverse> prepare(const Action& action, std::uint64_t seq) override {
    return inner_.prepare(action, seq);
  }
  Result<void> perform(const Action& action) override {
    const auto* write = std::get_if<WriteFile>(&action);
    if (write != nullptr && write->path == "/etc/three") {
      return Error(ErrorCode::kUnavailable, "no space left on device");
    }
    return inner_.perform(action);
  }
  Result<void> finish() override { return inner_.finish(); }

 private:
  Performer& inner_;
};

TEST(Executor, AFailureEndsTheRunAndIsInTheJournal) {
  World world;
  Failing failing(world.performer);
  const RunOutcome outcome = world.apply(failing);
  EXPECT_EQ(outcome.end, RunEnd::kFailed);
  EXPECT_EQ(outcome.step, "a");
  EXPECT_THAT(outcome.message, HasSubstr("no space left"));
  EXPECT_FALSE(world.tree.root().exists("/etc/one.d/last"));
  const auto journal = Journal::read(world.tree.root());
  ASSERT_TRUE(journal);
  EXPECT_EQ(journal->lines.back().event, JournalEvent::kFailed);
  EXPECT_THAT(journal->lines.back().note, HasSubstr("no space left"));
}

/// Says it did and did not.
class Lying final : public Performer {
 public:
  Result<Inverse> prepare(const Action& /*action*/,
                          std::uint64_t /*seq*/) override {
    return Inverse{};
  }
  Result<void> perform(const Action& /*action*/) override { return {}; }
  Result<void> finish() override { return {}; }
};

TEST(Executor, WhatIsNotSoAfterItsStepStopsTheRun) {
  World world;
  Lying lying;
  const RunOutcome outcome = world.apply(lying);
  EXPECT_EQ(outcome.end, RunEnd::kVerificationFailed);
  EXPECT_EQ(outcome.step, "a");
}

TEST(Executor, WhatWasTakenAwayAndIsNotWantedIsDone) {
  const HostTree tree;
  auto journal = Journal::open(tree.root(), "boot");
  ASSERT_TRUE(journal);
  ASSERT_TRUE(journal->start("run", "apply"));
  Plan plan;
  plan.steps = {{.id = "a",
                 .title = "a timer",
                 .reason = "",
                 .plan = {.state = StepState::kChange,
                          .actions = {RemoveFile{"/etc/x"}}}}};
  int looks = 0;
  const Replan replan = [&](std::string_view) -> Result<StepPlan> {
    return looks++ == 0 ? plan.steps.front().plan
                        : StepPlan::not_wanted("it is switched off");
  };
  Lying lying;
  Silent silent;
  const std::atomic<bool> stop{false};
  EXPECT_EQ(execute(plan, lying, *journal, replan, silent, stop).end,
            RunEnd::kDone);
}

TEST(Executor, StopsBetweenTwoActionsWhenAsked) {
  World world;
  world.stop = true;
  const auto before = snapshot(world.tree);
  const RunOutcome outcome = world.apply(world.performer);
  EXPECT_EQ(outcome.end, RunEnd::kInterrupted);
  EXPECT_EQ(snapshot(world.tree), before);
}

TEST(Executor, AtARebootTheRestWaits) {
  World world;
  Plan plan = plan_for(world.tree);
  plan.steps[0].plan.actions.emplace_back(Reboot{"a new kernel"});
  auto journal = Journal::open(world.tree.root(), "boot");
  ASSERT_TRUE(journal);
  ASSERT_TRUE(journal->start("run", "apply"));
  const Replan replan = [&](std::string_view id) -> Result<StepPlan> {
    StepPlan now = plan_of(world.tree, std::string(id));
    if (id == "a") now.actions.emplace_back(Reboot{"a new kernel"});
    return now;
  };
  const RunOutcome outcome = execute(plan, world.performer, *journal, replan,
                                     world.silent, world.stop);
  EXPECT_EQ(outcome.end, RunEnd::kRebootNeeded);
  EXPECT_EQ(outcome.message, "a new kernel");
  EXPECT_EQ(journal->lines().back().event, JournalEvent::kReboot);
  EXPECT_FALSE(world.tree.root().exists("/etc/one.d/last"));
}

/// Like World::apply, but the host changes by `meanwhile` after the plan.
RunOutcome apply_after(World& world, const std::function<void()>& meanwhile) {
  const Plan plan = plan_for(world.tree);
  meanwhile();
  auto journal = Journal::open(world.tree.root(), "boot");
  EXPECT_TRUE(journal && journal->start("run", "apply"));
  return execute(plan, world.performer, *journal, world.replan(), world.silent,
                 world.stop);
}

TEST(Executor, WhatSomebodyDidMeanwhileIsNotDoneAgain) {
  World world;
  const RunOutcome outcome = apply_after(world, [&] {
    world.tree.file("etc/one", "1\n");
    world.tree.file("etc/one.d/last", "4\n");
  });
  EXPECT_EQ(outcome.end, RunEnd::kDone) << outcome.message;
  EXPECT_EQ(outcome.changed, 1U);
  EXPECT_THAT(world.silent.said, ElementsAre("a 1/2", "a ok", "b 2/2", "b ok"));
}

TEST(Executor, AStepThatWouldDoSomethingElseByNowStopsTheRunBeforeIt) {
  World world;
  std::map<std::string, std::string> changed;
  const RunOutcome outcome = apply_after(world, [&] {
    world.tree.file("etc/three", "by hand\n");
    changed = snapshot(world.tree);
  });
  EXPECT_EQ(outcome.end, RunEnd::kNotAsPlanned);
  EXPECT_EQ(outcome.step, "a");
  EXPECT_THAT(outcome.message, HasSubstr("/etc/three was changed since"));
  EXPECT_EQ(outcome.changed, 0U);
  EXPECT_EQ(snapshot(world.tree), changed);
  const auto journal = Journal::read(world.tree.root());
  ASSERT_TRUE(journal);
  EXPECT_THAT(journal->lines, SizeIs(1));  // The run's own.
}

TEST(Executor, AStepThatIsBlockedByNowStopsTheRunBeforeIt) {
  World world;
  auto journal = Journal::open(world.tree.root(), "boot");
  ASSERT_TRUE(journal && journal->start("run", "apply"));
  const Replan replan = [&](std::string_view id) -> Result<StepPlan> {
    if (id == "a") return plan_of(world.tree, "a");
    return StepPlan::blocked("somebody is in the way", "ask them");
  };
  const RunOutcome outcome =
      execute(plan_for(world.tree), world.performer, *journal, replan,
              world.silent, world.stop);
  EXPECT_EQ(outcome.end, RunEnd::kNotAsPlanned);
  EXPECT_EQ(outcome.step, "b");
  EXPECT_THAT(outcome.message, HasSubstr("somebody is in the way; ask them"));
  EXPECT_FALSE(world.tree.root().exists("/etc/one.d/last"));
}

/// The file changes under its hands, behind the last look.
class Overtaken final : public Performer {
 public:
  Overtaken(Performer& inner, HostTree& tree) : inner_(inner), tree_(tree) {}
  Result<Inverse> prepare(const Action& action, std::uint64_t seq) override {
    return inner_.prepare(action, seq);
  }
  Result<void> perform(const Action& action) override {
    tree_.file("etc/three", "by hand\n");
    return inner_.perform(action);
  }
  Result<void> finish() override { return inner_.finish(); }

 private:
  Performer& inner_;
  HostTree& tree_;
};

TEST(Executor, AFileThatChangesUnderItsHandsIsLeft) {
  World world;
  Overtaken overtaken(world.performer, world.tree);
  const RunOutcome outcome = world.apply(overtaken);
  EXPECT_EQ(outcome.end, RunEnd::kNotAsPlanned);
  EXPECT_THAT(outcome.message, HasSubstr("/etc/three was changed since"));
  EXPECT_EQ(*world.tree.root().read_file("/etc/three"), "by hand\n");
}

TEST(Executor, WhatIsDoneIsAllOnlyIfAWholeLookSaysSo) {
  World world;
  const RunOutcome outcome = world.apply(world.performer);
  ASSERT_EQ(outcome.end, RunEnd::kDone);
  EXPECT_EQ(judged_by(plan_for(world.tree), outcome).end, RunEnd::kDone);
  world.tree.file("etc/one", "undone\n");
  RunOutcome judged = judged_by(plan_for(world.tree), outcome);
  EXPECT_EQ(judged.end, RunEnd::kMoreToDo);
  EXPECT_EQ(judged.step, "a");
  EXPECT_THAT(judged.message, testing::StartsWith("a"));
  EXPECT_EQ(judged.changed, outcome.changed);
  // How else a run ended stands.
  judged.end = RunEnd::kFailed;
  EXPECT_EQ(judged_by(plan_for(world.tree), judged).end, RunEnd::kFailed);
}

}  // namespace
}  // namespace gpunode::provision
