// A migration that fails: the services that were stopped for it run again on
// the old data, or stay stopped; never on half of it.
#include "node/provision/taking_back.h"

#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::provision {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kStep = "storage.a.mount";
constexpr const char* kContainerd = "containerd.service";
constexpr const char* kKubelet = "kubelet.service";
constexpr const char* kMount = "var-lib-containerd.mount";

/// What a killed process throws here: everything it holds goes.
struct Killed {};

/// A host with a runtime whose data moves to a disk, as far as that goes.
class Machine final : public Performer {
 public:
  std::map<std::string, bool> runs = {{kContainerd, true}, {kKubelet, true}};
  std::set<std::string> files;
  bool is_at_path = true;   ///< The old data.
  bool is_aside = false;    ///< The same, set aside.
  bool is_on_disk = false;  ///< A whole copy.
  bool is_mounted = false;
  std::string fails;       ///< The kind of action, or "start UNIT".
  std::string fails_back;  ///< The same of what undoes.
  int lives = -1;          ///< It is killed at this breath; less: never.
  std::vector<std::string> did;

  Result<Inverse> prepare(const Action& action,
                          std::uint64_t /*seq*/) override {
    live();
    if (const auto* set = std::get_if<SetUnit>(&action)) {
      const bool was = set->unit == kMount ? is_mounted : runs[set->unit];
      return Inverse::of(
          SetUnit{.unit = set->unit, .active = was ? Wish::kYes : Wish::kNo});
    }
    if (const auto* write = std::get_if<WriteFile>(&action)) {
      return Inverse::of(RemoveFile{write->path});
    }
    if (const auto* move = std::get_if<MigrateTree>(&action)) {
      return Inverse::of(RestoreTree{move->path, move->aside, move->uuid});
    }
    return Inverse{};
  }

  Result<void> perform(const Action& action) override {
    live();
    const std::string name = name_of(action);
    did.push_back(name);
    const bool is_undoing = std::holds_alternative<RestoreTree>(action) ||
                            std::holds_alternative<RemoveFile>(action);
    if (name == (is_undoing ? fails_back : fails)) {
      return Error(ErrorCode::kUnavailable, name + " does not work");
    }
    std::visit([&](const auto& one) { make(one); }, action);
    live();
    return {};
  }

  Result<void> finish() override { return {}; }

 private:
  void live() {
    if (lives >= 0 && lives-- == 0) throw Killed();
  }

  static std::string name_of(const Action& action) {
    if (const auto* set = std::get_if<SetUnit>(&action)) {
      return (set->active == Wish::kYes ? "start " : "stop ") + set->unit;
    }
    return std::visit([](const auto& one) { return std::string(one.kKind); },
                      action);
  }

  void make(const SetUnit& one) {
    const bool is_to_run = one.active == Wish::kYes;
    if (one.unit == kMount) {
      EXPECT_TRUE(!is_to_run || is_on_disk) << "half a copy is mounted";
      is_mounted = is_to_run;
      return;
    }
    // The law of this test.
    EXPECT_TRUE(!is_to_run || (is_mounted ? is_on_disk : is_at_path))
        << one.unit << " starts where its data is not";
    runs[one.unit] = is_to_run;
  }
  void make(const WriteFile& one) { files.insert(one.path); }
  void make(const RemoveFile& one) { files.erase(one.path); }
  void make(const MigrateTree& /*one*/) {
    EXPECT_FALSE(runs[kContainerd]) << "it moves under a running runtime";
    if (is_at_path) is_on_disk = is_aside = true;
    is_at_path = false;
  }
  void make(const RestoreTree& /*one*/) {
    EXPECT_FALSE(is_mounted);
    if (!is_aside) return;
    is_aside = false;
    is_at_path = true;
    is_on_disk = false;
  }
  template <class Other>
  void make(const Other& /*one*/) {}
};

class Silent final : public RunObserver {
 public:
  void step_started(const PlannedStep& /*step*/, std::size_t /*index*/,
                    std::size_t /*count*/) override {}
  void action_started(const Action& /*action*/) override {}
  void action_ended(const Action& /*action*/,
                    const Result<void>& /*how*/) override {}
  void step_ended(const PlannedStep& /*step*/,
                  const Result<void>& /*how*/) override {}
};

/// As storage.<id>.mount plans it.
StepPlan plan_of(const Machine& machine, const History& history) {
  StepPlan plan;
  std::vector<std::string> users;
  for (const char* unit : {kContainerd, kKubelet}) {
    if (machine.runs.at(unit) || history.stopped.contains(unit)) {
      users.emplace_back(unit);
    }
  }
  const bool all_run = users.size() == 2 && machine.runs.at(kContainerd) &&
                       machine.runs.at(kKubelet);
  if (machine.is_mounted && all_run) return plan;
  plan.state = StepState::kChange;
  if (!machine.is_mounted) {
    for (auto unit = users.rbegin(); unit != users.rend(); ++unit) {
      plan.actions.emplace_back(SetUnit{.unit = *unit, .active = Wish::kNo});
    }
    if (!machine.files.contains("/etc/mount")) {
      plan.actions.emplace_back(WriteFile{.path = "/etc/mount"});
    }
    if (machine.is_at_path) {
      plan.actions.emplace_back(
          MigrateTree{"/var/lib/containerd", "U1", "xfs", "/var/lib/c.old"});
    }
    plan.actions.emplace_back(SetUnit{.unit = kMount, .active = Wish::kYes});
    plan.actions.emplace_back(RunProgram{{"/sbin/restorecon"}});
  }
  for (const std::string& unit : users) {
    plan.actions.emplace_back(SetUnit{.unit = unit, .active = Wish::kYes});
  }
  return plan;
}

struct World {
  host::HostTree tree;
  Machine machine;
  std::atomic<bool> stop{false};
  Silent silent;

  RunOutcome apply() {
    auto journal = Journal::open(tree.root(), "boot");
    EXPECT_TRUE(journal) << journal.error().message();
    EXPECT_TRUE(journal->start("run", "apply"));
    const History history = history_of(journal->lines());
    Plan plan;
    plan.steps = {{kStep, "", "", plan_of(machine, history)}};
    const Replan replan = [&](std::string_view) -> Result<StepPlan> {
      return plan_of(machine, history_of(journal->lines(), journal->run()));
    };
    RunOutcome outcome = execute(plan, machine, *journal, replan, silent, stop);
    EXPECT_TRUE(
        journal->append({.event = JournalEvent::kEnd, .step = outcome.step}));
    return outcome;
  }

  /// False if it lived to its end.
  bool apply_and_die(int lives) {
    machine.lives = lives;
    bool has_died = false;
    try {
      (void)apply();
    } catch (const Killed&) {
      has_died = true;
    }
    machine.lives = -1;
    return has_died;
  }

  std::map<std::string, std::string> stopped() const {
    const auto journal = Journal::read(tree.root());
    return journal ? history_of(journal->lines).stopped
                   : std::map<std::string, std::string>();
  }

  bool all_run() const {
    return machine.runs.at(kContainerd) && machine.runs.at(kKubelet);
  }

  void expect_as_before(const RunOutcome& outcome) const {
    EXPECT_EQ(outcome.end, RunEnd::kFailed);
    EXPECT_TRUE(all_run());
    EXPECT_TRUE(machine.is_at_path);
    EXPECT_FALSE(machine.is_mounted || machine.is_aside);
    EXPECT_THAT(machine.files, IsEmpty());
    EXPECT_THAT(stopped(), IsEmpty());
    EXPECT_THAT(outcome.message,
                AllOf(HasSubstr("does not work"),
                      HasSubstr("what storage.a.mount did is undone, and "
                                "containerd.service and kubelet.service run "
                                "again as before")));
  }

  void expect_done(const RunOutcome& outcome) const {
    EXPECT_EQ(outcome.end, RunEnd::kDone) << outcome.message;
    EXPECT_TRUE(all_run());
    EXPECT_TRUE(machine.is_mounted && machine.is_aside);
  }
};

TEST(TakingBack, BeforeTheFirstServiceStartsAllIsAsBefore) {
  for (const std::string what :
       {"write-file", "migrate-tree", "start var-lib-containerd.mount",
        "run-program"}) {
    SCOPED_TRACE(what);
    World world;
    world.machine.fails = what;
    world.expect_as_before(world.apply());
    // And again, and once it works.
    world.expect_as_before(world.apply());
    world.machine.fails.clear();
    world.expect_done(world.apply());
  }
}

TEST(TakingBack, ServicesComeLastInTheOrderInWhichTheyStart) {
  World world;
  world.machine.fails = "migrate-tree";
  (void)world.apply();
  EXPECT_THAT(
      world.machine.did,
      ElementsAre("stop kubelet.service", "stop containerd.service",
                  "write-file", "migrate-tree", "restore-tree", "remove-file",
                  "start containerd.service", "start kubelet.service"));
}

TEST(TakingBack, AServiceThatWouldNotStopRuns) {
  World world;
  world.machine.fails = "stop containerd.service";
  const RunOutcome outcome = world.apply();
  EXPECT_EQ(outcome.end, RunEnd::kFailed);
  EXPECT_TRUE(world.all_run());
  EXPECT_THAT(outcome.message, HasSubstr("run again as before"));
}

TEST(TakingBack, OnceAServiceStartsWhatItUsesStays) {
  World world;
  world.machine.fails = "start containerd.service";
  const RunOutcome outcome = world.apply();
  EXPECT_EQ(outcome.end, RunEnd::kFailed);
  EXPECT_TRUE(world.machine.is_mounted);
  EXPECT_THAT(outcome.message,
              AllOf(HasSubstr("containerd.service and kubelet.service are "
                              "stopped still"),
                    HasSubstr("`gpunode apply` goes on and starts them"),
                    HasSubstr("rollback --step storage.a.mount")));
  world.machine.fails = "start kubelet.service";
  EXPECT_THAT(world.apply().message,
              AllOf(HasSubstr("kubelet.service is stopped still"),
                    Not(HasSubstr("containerd"))));
  EXPECT_TRUE(world.machine.is_mounted);
  world.machine.fails.clear();
  world.expect_done(world.apply());
}

TEST(TakingBack, WhatCannotBeUndoneStartsNothing) {
  World world;
  world.machine.fails = "start var-lib-containerd.mount";
  world.machine.fails_back = "restore-tree";
  const RunOutcome outcome = world.apply();
  EXPECT_FALSE(world.machine.runs[kContainerd]);
  EXPECT_FALSE(world.machine.runs[kKubelet]);
  EXPECT_THAT(outcome.message, AllOf(HasSubstr("could not all be undone"),
                                     HasSubstr("restore-tree does not work"),
                                     HasSubstr("are stopped still")));
  // They are owed, and the next run pays.
  world.machine.fails.clear();
  world.expect_done(world.apply());
}

TEST(TakingBack, WhoStopsTheRunIsTold) {
  World world;
  /// Asked to stop while the data moves.
  class Stopping final : public Performer {
   public:
    Stopping(Machine& inner, std::atomic<bool>& stop)
        : inner_(inner), stop_(stop) {}
    Result<Inverse> prepare(const Action& action, std::uint64_t seq) override {
      return inner_.prepare(action, seq);
    }
    Result<void> perform(const Action& action) override {
      stop_ = stop_ || std::holds_alternative<MigrateTree>(action);
      return inner_.perform(action);
    }
    Result<void> finish() override { return {}; }

   private:
    Machine& inner_;
    std::atomic<bool>& stop_;
  } stopping(world.machine, world.stop);
  auto journal = Journal::open(world.tree.root(), "boot");
  ASSERT_TRUE(journal);
  ASSERT_TRUE(journal->start("run", "apply"));
  Plan plan;
  plan.steps = {{kStep, "", "", plan_of(world.machine, {})}};
  const Replan replan = [&](std::string_view) -> Result<StepPlan> {
    return plan.steps.front().plan;
  };
  const RunOutcome outcome =
      execute(plan, stopping, *journal, replan, world.silent, world.stop);
  EXPECT_EQ(outcome.end, RunEnd::kInterrupted);
  EXPECT_THAT(outcome.message, HasSubstr("are stopped still"));
  EXPECT_FALSE(world.machine.runs[kContainerd]);
  world.stop = false;
  world.expect_done(world.apply());
}

// What it left is not taken for what this run made.
TEST(TakingBack, OverARunThatWasCutOffNothingIsTakenBack) {
  // Killed when the data has moved: the old place is empty.
  auto killed = std::make_unique<World>();
  for (int lives = 0; !killed->machine.is_aside; ++lives) {
    killed = std::make_unique<World>();
    ASSERT_TRUE(killed->apply_and_die(lives));
  }
  World& world = *killed;
  world.machine.fails = "start var-lib-containerd.mount";
  const RunOutcome outcome = world.apply();
  EXPECT_FALSE(world.machine.runs[kContainerd]);
  EXPECT_THAT(outcome.message, HasSubstr("are stopped still"));
  world.machine.fails.clear();
  world.expect_done(world.apply());
}

// Every place where a power cut can come, in the Step and in what takes it
// back: no service ever starts where its data is not (Machine), and the next
// run comes to the same end.
TEST(TakingBack, KilledAnywhereTheNextRunEndsAsOneThatWasNot) {
  for (const std::string what :
       {"", "start var-lib-containerd.mount", "start containerd.service"}) {
    int deaths = 0;
    for (int lives = 0;; ++lives) {
      World world;
      world.machine.fails = what;
      if (!world.apply_and_die(lives)) break;
      ++deaths;
      SCOPED_TRACE(what + " " + std::to_string(lives));
      // It fails still, and then no longer.
      (void)world.apply();
      world.machine.fails.clear();
      world.expect_done(world.apply());
    }
    EXPECT_GT(deaths, 15) << what;
  }
}

TEST(TakingBack, AServiceThatIsTakenAwayStaysAway) {
  const std::vector<Action> actions = {
      SetUnit{.unit = kContainerd, .active = Wish::kNo},
      RemoveFile{"/etc/unit"}};
  std::vector<JournalLine> lines = {
      {.seq = 1, .event = JournalEvent::kRun},
      {.seq = 2, .event = JournalEvent::kBegin, .step = kStep},
      {.seq = 3, .event = JournalEvent::kDone, .step = kStep, .of = 2}};
  lines[1].action = actions[0];
  lines[1].inverse = {SetUnit{.unit = kContainerd, .active = Wish::kYes}};
  const TakingBack back = plan_taking_back(lines, kStep, actions, 1);
  EXPECT_THAT(back.stopped, IsEmpty());
  EXPECT_THAT(back.plan, IsEmpty());
  EXPECT_EQ(words_of_stopped(back, kStep), "");
}

}  // namespace
}  // namespace gpunode::provision
