#include "node/provision/executor.h"

#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/fake_command_runner.h"
#include "base/host/host_tree.h"
#include "node/provision/host_performer.h"
#include "node/provision/node_reset.h"
#include "node/provision/rollback.h"
#include "node/provision/seen_content.h"

namespace gpunode::provision {
namespace {

using host::HostTree;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

/// Files that shall have a content, as one Step of three actions and one of
/// one; what is so needs no action.
struct WantedFile {
  std::string step;
  std::string path;
  std::string content;
};

const std::vector<WantedFile>& wanted_files() {
  static const std::vector<WantedFile> kWanted = {
      {"a", "/etc/one", "1\n"},
      {"a", "/etc/two.d/two", "2\n"},
      {"a", "/etc/three", "3\n"},
      {"b", "/etc/one.d/last", "4\n"},
  };
  return kWanted;
}

StepPlan plan_of(const HostTree& tree, const std::string& step) {
  StepPlan plan;
  for (const WantedFile& wish : wanted_files()) {
    if (wish.step != step) continue;
    const auto now = tree.root().read_file(wish.path);
    if (now && *now == wish.content) continue;
    plan.state = StepState::kChange;
    const std::string parent = wish.path.substr(0, wish.path.rfind('/'));
    if (!tree.root().exists(parent)) {
      plan.actions.emplace_back(MakeDirectory{parent});
    }
    plan.actions.emplace_back(
        WriteFile{.path = wish.path,
                  .content = wish.content,
                  .before = seen_content(now ? std::optional<std::string>(*now)
                                             : std::nullopt)});
  }
  return plan;
}

Plan plan_for(const HostTree& tree) {
  Plan plan;
  for (const char* id : {"a", "b"}) {
    plan.steps.push_back({id, id, "", plan_of(tree, id)});
  }
  return plan;
}

class Silent final : public RunObserver, public RollbackObserver {
 public:
  void step_started(const PlannedStep& step, std::size_t index,
                    std::size_t count) override {
    said.push_back(step.id + " " + std::to_string(index) + "/" +
                   std::to_string(count));
  }
  void action_started(const Action& /*action*/) override {}
  void action_ended(const Action& /*action*/,
                    const Result<void>& /*how*/) override {}
  void step_ended(const PlannedStep& step, const Result<void>& how) override {
    said.push_back(step.id + (how ? " ok" : " failed"));
  }
  void undoing(const Undoing& /*one*/) override {}
  void undone(const Undoing& /*one*/, const Result<void>& /*how*/) override {}

  std::vector<std::string> said;
};

/// Dies, as by SIGKILL, before or after the n-th thing it is asked to do.
class Mortal final : public Performer {
 public:
  Mortal(Performer& inner, int lives) : inner_(inner), lives_(lives) {}

  Result<Inverse> prepare(const Action& action, std::uint64_t seq) override {
    live();
    auto result = inner_.prepare(action, seq);
    live();
    return result;
  }
  Result<void> perform(const Action& action) override {
    live();
    auto result = inner_.perform(action);
    live();
    return result;
  }
  Result<void> finish() override { return inner_.finish(); }

 private:
  void live() {
    if (lives_-- == 0) ::_exit(kKilled);
  }

 public:
  static constexpr int kKilled = 42;

 private:
  Performer& inner_;
  int lives_;
};

/// Path to content of everything below, but our own state.
std::map<std::string, std::string> snapshot(const HostTree& tree) {
  std::map<std::string, std::string> files;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(tree.path())) {
    const std::string path = entry.path().string().substr(tree.path().size());
    if (path.starts_with("/var") || path.starts_with("/run")) continue;
    std::string content = "(directory)";
    if (entry.is_regular_file()) {
      std::ifstream in(entry.path(), std::ios::binary);
      content.assign(std::istreambuf_iterator<char>(in), {});
    }
    files[path] = content;
  }
  return files;
}

struct World {
  HostTree tree{{"etc/one", "before\n"}, {"etc/other", "untouched\n"}};
  host::FakeCommandRunner runner;
  HostPerformer performer{tree.root(), runner, {}};
  std::atomic<bool> stop{false};
  Silent silent;

  Replan replan() {
    return [this](std::string_view id) -> Result<StepPlan> {
      return plan_of(tree, std::string(id));
    };
  }

  RunOutcome apply(Performer& with) {
    auto journal = Journal::open(tree.root(), "boot");
    EXPECT_TRUE(journal) << journal.error().message();
    EXPECT_TRUE(journal->start("run", "apply"));
    return execute(plan_for(tree), with, *journal, replan(), silent, stop);
  }

  /// Applies in a process that dies at its n-th breath; false if it lived.
  bool apply_and_die(int lives) {
    const pid_t child = ::fork();
    if (child == 0) {
      Mortal mortal(performer, lives);
      apply(mortal);
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status));
    return WEXITSTATUS(status) == Mortal::kKilled;
  }

  Result<void> undo_all() {
    TRY(Journal journal, Journal::open(tree.root(), "boot"));
    TRY_VOID(journal.start("undo", "rollback"));
    return roll_back(plan_rollback(journal.lines(), {}, {}), performer, journal,
                     silent);
  }
};

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

TEST(Rollback, GoesAsFarAsToldTheLatestFirst) {
  World world;
  world.apply(world.performer);
  const auto journal = Journal::read(world.tree.root());
  ASSERT_TRUE(journal);
  const auto& lines = journal->lines;
  EXPECT_THAT(plan_rollback(lines, {}, {}), SizeIs(6));
  EXPECT_THAT(plan_rollback(lines, {.step = "b"}, {}), SizeIs(2));
  const auto later = plan_rollback(lines, {.after = 4}, {});
  EXPECT_THAT(later, SizeIs(4));
  EXPECT_GT(later.front().line.seq, later.back().line.seq);
}

TEST(Rollback, WhatANodeWasGivenIsGoneWithItsLeave) {
  std::vector<JournalLine> lines;
  const auto add = [&](const Action& action, const Action& inverse) {
    lines.push_back({.seq = lines.size() + 1, .event = JournalEvent::kBegin});
    lines.back().action = action;
    lines.back().inverse = {inverse};
    lines.push_back({.seq = lines.size() + 1,
                     .event = JournalEvent::kDone,
                     .of = lines.back().seq});
  };
  const auto order = [&] {
    std::vector<std::uint64_t> seqs;
    for (const Undoing& one : plan_rollback(lines, {}, {})) {
      seqs.push_back(one.line.seq);
    }
    return seqs;
  };
  const std::string path = "/var/lib/gpunode/node-meta";
  add(WriteFile{path, "1"}, RestoreFile{path, "", "1"});
  add(WriteFile{path, "2"}, RestoreFile{path, "/backup", "2"});
  add(WriteFile{"/etc/a", "a"}, RestoreFile{"/etc/a", "", "a"});
  EXPECT_THAT(order(), ElementsAre(5, 3, 1));
  add(LeaveCluster{"gpu-1"}, RestoreFile{"/etc/a", "", "a"});
  add(WriteFile{path, "1"}, RestoreFile{path, "", "1"});
  EXPECT_THAT(order(), ElementsAre(9, 7, 5));
  // A leave that did not come to its end has taken nothing away for sure.
  lines.erase(lines.begin() + 7);
  EXPECT_THAT(order(), ElementsAre(9, 7, 5, 3, 1));
  lines.insert(
      lines.begin() + 7,
      {.seq = 8, .event = JournalEvent::kFailed, .note = "no runtime"});
  lines[7].of = 7;
  EXPECT_THAT(order(), ElementsAre(9, 7, 5, 3, 1));
  // It took all away but a Pod that still runs.
  lines[7].note = std::string(kNoNodeAnyMore) + ", and a Pod runs";
  EXPECT_THAT(order(), ElementsAre(9, 7, 5));
}

// A restart before the file is back would take in what is being undone.
TEST(Rollback, WhatTakesInFilesComesAfterTheFilesOfItsStep) {
  std::vector<JournalLine> lines;
  const auto add = [&](const std::string& step, const Action& action,
                       const Action& inverse) {
    lines.push_back(
        {.seq = lines.size() + 1, .event = JournalEvent::kBegin, .step = step});
    lines.back().action = action;
    lines.back().inverse = {inverse};
  };
  const RunProgram grub{{"/usr/sbin/update-grub"}, {"/usr/sbin/update-grub"}};
  add("a", WriteFile{"/etc/a", "a"}, RestoreFile{"/etc/a", "", "a"});
  add("a", SetUnit{.unit = "a.service", .active = Wish::kYes, .restart = true},
      SetUnit{.unit = "a.service", .active = Wish::kYes, .restart = true});
  add("b", WriteFile{"/etc/b", "b"}, RestoreFile{"/etc/b", "", "b"});
  add("b", grub, grub);
  add("b", SetUnit{.unit = "b.service", .active = Wish::kYes, .restart = true},
      SetUnit{.unit = "b.service", .active = Wish::kNo});
  std::vector<std::uint64_t> order;
  for (const Undoing& one : plan_rollback(lines, {}, {})) {
    order.push_back(one.line.seq);
  }
  EXPECT_THAT(order, ElementsAre(5, 3, 4, 1, 2));
}

// A start that was cut off and done again is in the journal twice, and the
// second saw the service as the first had left it.
TEST(Rollback, WhatDidNotRunBeforeTheFirstStartDoesNotRunInTheEnd) {
  std::vector<JournalLine> lines;
  const auto add = [&](const Action& action, const Action& inverse) {
    lines.push_back(
        {.seq = lines.size() + 1, .event = JournalEvent::kBegin, .step = "a"});
    lines.back().action = action;
    lines.back().inverse = {inverse};
  };
  add(WriteFile{"/etc/a", "a"}, RestoreFile{"/etc/a", "", "a"});
  add(SetUnit{.unit = "a.service", .active = Wish::kYes},
      SetUnit{.unit = "a.service", .active = Wish::kNo});
  add(SetUnit{.unit = "a.service", .active = Wish::kYes, .restart = true},
      SetUnit{.unit = "a.service", .active = Wish::kYes, .restart = true});
  add(SetUnit{.unit = "b.service", .active = Wish::kYes, .restart = true},
      SetUnit{.unit = "b.service", .active = Wish::kYes, .restart = true});
  std::vector<std::uint64_t> order;
  for (const Undoing& one : plan_rollback(lines, {}, {})) {
    order.push_back(one.line.seq);
  }
  EXPECT_THAT(order, ElementsAre(3, 2, 1, 4));
}

// dnf sees the packages of the enabled stream alone.
TEST(Rollback, AStreamComesBackBeforeThePackagesThatItWasSetFor) {
  std::vector<JournalLine> lines;
  const auto add = [&](const Action& action) {
    lines.push_back(
        {.seq = lines.size() + 1, .event = JournalEvent::kBegin, .step = "a"});
    lines.back().action = action;
  };
  for (int run = 0; run < 2; ++run) {
    add(SetModuleStream{"nvidia-driver", "580-open"});
    add(InstallPackages{{"one"}});
    add(InstallPackages{{"two"}});
  }
  std::vector<std::uint64_t> order;
  for (const Undoing& one : plan_rollback(lines, {}, {})) {
    order.push_back(one.line.seq);
  }
  EXPECT_THAT(order, ElementsAre(4, 6, 5, 1, 3, 2));
}

TEST(Rollback, AFileThatALaterStepChangedTooIsLeft) {
  JournalLine first{.seq = 1, .event = JournalEvent::kBegin, .step = "a"};
  first.action = WriteFile{"/etc/fstab", "1"};
  JournalLine second{.seq = 2, .event = JournalEvent::kBegin, .step = "b"};
  second.action = WriteFile{"/etc/fstab", "2"};
  const auto plan = plan_rollback({first, second}, {.step = "a"}, {});
  ASSERT_THAT(plan, SizeIs(1));
  EXPECT_TRUE(plan[0].left);
  EXPECT_THAT(plan[0].why, HasSubstr("undo that as well"));
  for (const Undoing& one : plan_rollback({first, second}, {}, {})) {
    EXPECT_FALSE(one.left);
  }
}

TEST(Rollback, ADiskIsWipedOnlyByItsSerial) {
  JournalLine line{.seq = 1, .event = JournalEvent::kBegin, .step = "s"};
  line.action = MakeFilesystem{{{"", "S1", 1}, {"", "S2", 1}}};
  line.inverse = {WipeFilesystem{{{"", "S1", 1}, {"", "S2", 1}}}};
  const auto left = plan_rollback({line}, {}, {"S1"});
  ASSERT_THAT(left, SizeIs(1));
  EXPECT_TRUE(left[0].left);
  EXPECT_THAT(left[0].why, HasSubstr("--confirm-wipe=S2"));
  EXPECT_FALSE(plan_rollback({line}, {}, {"S2", "S1"})[0].left);
  EXPECT_THAT(unknown_serials({line}, {"S2", "S1"}), IsEmpty());
  EXPECT_THAT(unknown_serials({line}, {"S2", "s1"}), ElementsAre("s1"));
}

TEST(Rollback, OfDisksWithOneSerialEachIsWipedByItsWwid) {
  const DiskIdentity first{"nvme_card", "nvme_card", 1, "nvme.1"};
  const DiskIdentity second{"nvme_card", "nvme_card", 1, "nvme.2"};
  JournalLine line{.seq = 1, .event = JournalEvent::kBegin, .step = "s"};
  line.action = MakeFilesystem{{first}};
  line.inverse = {WipeFilesystem{{first}}};
  JournalLine other{.seq = 2, .event = JournalEvent::kBegin, .step = "t"};
  other.action = MakeFilesystem{{second}};
  other.inverse = {WipeFilesystem{{second}}};
  const auto left = plan_rollback({line, other}, {}, {"nvme_card", "nvme.1"});
  ASSERT_THAT(left, SizeIs(2));
  EXPECT_TRUE(left[0].left);
  EXPECT_THAT(left[0].why, HasSubstr("--confirm-wipe=nvme.2"));
  EXPECT_FALSE(left[1].left);
  EXPECT_THAT(unknown_serials({line, other}, {"nvme_card", "nvme.1"}),
              ElementsAre("nvme_card"));
}

}  // namespace
}  // namespace gpunode::provision
