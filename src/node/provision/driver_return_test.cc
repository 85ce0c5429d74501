// A driver whose modules cannot be built: the one before it comes back with its
// own, or what the machine has now is told.
#include "node/provision/driver_return.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"
#include "node/provision/resumption.h"
#include "node/provision/taking_back.h"

namespace gpunode::provision {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kOld = "580.65.06";
constexpr const char* kNew = "580.95.05";

/// A host with a driver, or without, and a compiler that not all pleases.
class Machine final : public Performer {
 public:
  std::string packages = kOld;  ///< Their version; empty: there are none.
  std::string module = kOld;    ///< Whose is there for the kernel.
  bool is_held = true;
  std::set<std::string> builds = {kOld};
  bool can_go_back = true;  ///< The old packages can be had still.
  bool can_hold = true;
  /// They are not among what the file's only repository has.
  bool is_old_elsewhere = false;

  void may_ask_others() override { is_old_elsewhere = false; }

  Result<Inverse> prepare(const Action& action,
                          std::uint64_t /*seq*/) override {
    if (std::holds_alternative<InstallSet>(action)) {
      if (packages.empty()) {
        return Inverse::of(RemovePackages{{"nvidia-driver-cuda"}},
                           Undo::kCompensating);
      }
      return Inverse::of(
          InstallSet{.packages = {"nvidia-driver-cuda=" + packages}},
          Undo::kCompensating);
    }
    if (const auto* hold = std::get_if<HoldPackages>(&action)) {
      if (hold->held == is_held) return Inverse{};
      HoldPackages back = *hold;
      back.held = !hold->held;
      return Inverse::of(std::move(back));
    }
    if (std::holds_alternative<BuildModule>(action) && module != packages) {
      return Inverse::of(BuildModule{.module = "nvidia", .built = false},
                         Undo::kCompensating);
    }
    return Inverse{};
  }

  Result<void> perform(const Action& action) override {
    if (const auto* set = std::get_if<InstallSet>(&action)) {
      return install(*set);
    }
    if (const auto* hold = std::get_if<HoldPackages>(&action)) {
      if (hold->held && !can_hold) {
        return Error(ErrorCode::kUnavailable, "no room for a list");
      }
      is_held = hold->held;
    }
    const auto* build = std::get_if<BuildModule>(&action);
    if (build == nullptr) return {};
    if (!build->built) {
      module.clear();
      return {};
    }
    if (!builds.contains(packages)) {
      return Error(ErrorCode::kUnavailable,
                   "nvidia " + packages + " cannot be built");
    }
    module = packages;
    return {};
  }

  Result<void> finish() override { return {}; }

 private:
  Result<void> install(const InstallSet& set) {
    EXPECT_FALSE(is_held);
    if (set.version.empty() && (!can_go_back || is_old_elsewhere)) {
      return Error(ErrorCode::kNotFound, "nobody has " + set.packages.front());
    }
    packages = set.version.empty() ? kOld : set.version;
    module.clear();  // As the old package's script does.
    return {};
  }
};

class Silent final : public RunObserver {
 public:
  std::vector<std::string> did;
  /// Told of each, and whether it is the second of its kind or later.
  std::function<void(const std::string&, bool is_again)> on_kind;

  void step_started(const PlannedStep& /*step*/, std::size_t /*index*/,
                    std::size_t /*count*/) override {}
  void action_started(const Action& action) override {
    const std::string kind = std::visit(
        [](const auto& one) { return std::string(one.kKind); }, action);
    const bool is_again = std::ranges::find(did, kind) != did.end();
    did.push_back(kind);
    if (on_kind) on_kind(kind, is_again);
  }
  void action_ended(const Action& /*action*/,
                    const Result<void>& /*how*/) override {}
  void step_ended(const PlannedStep& /*step*/,
                  const Result<void>& /*how*/) override {}
};

struct World {
  host::HostTree tree;
  Machine machine;
  std::atomic<bool> stop{false};
  Silent silent;

  StepPlan plan_of(std::string_view step) const {
    StepPlan plan;
    const HoldPackages held{.packages = {"nvidia-driver-cuda"}};
    if (step == "driver.packages" && machine.packages != kNew) {
      HoldPackages release = held;
      release.held = false;
      plan.actions = {release, InstallSet{.packages = {"nvidia-driver-cuda"},
                                          .version = kNew}};
    } else if (step == "driver.hold" && !machine.is_held) {
      plan.actions = {held};
    } else if (step == "driver.modules" && machine.module != kNew) {
      plan.actions = {BuildModule{.module = "nvidia", .kernels = {"6.1"}}};
    }
    if (!plan.actions.empty()) plan.state = StepState::kChange;
    return plan;
  }

  RunOutcome apply(bool is_cut_off = false) {
    auto journal = Journal::open(tree.root(), "boot");
    EXPECT_TRUE(journal) << journal.error().message();
    EXPECT_TRUE(journal->start("run", "apply"));
    Plan plan;
    for (const char* id :
         {"driver.packages", "driver.hold", "driver.modules"}) {
      plan.steps.push_back({id, "", "", plan_of(id)});
    }
    // What a Step brings makes the next one's plan.
    plan.steps[1].plan.actions = {
        HoldPackages{.packages = {"nvidia-driver-cuda"}}};
    plan.steps[1].plan.state = StepState::kChange;
    const Replan replan = [&](std::string_view id) -> Result<StepPlan> {
      return plan_of(id);
    };
    if (is_cut_off) plan.steps.resize(2);
    RunOutcome outcome = execute(plan, machine, *journal, replan, silent, stop);
    if (is_cut_off) return outcome;
    EXPECT_TRUE(
        journal->append({.event = JournalEvent::kEnd, .step = outcome.step}));
    return outcome;
  }

  void roll_back_all() {
    auto journal = Journal::open(tree.root(), "boot");
    ASSERT_TRUE(journal) << journal.error().message();
    ASSERT_TRUE(journal->start("back", kRollbackCommand));
    const auto plan = plan_rollback(journal->lines(), {}, {});
    const auto done = roll_back_told(plan, machine, *journal, silent);
    EXPECT_TRUE(done) << done.error().message();
    EXPECT_TRUE(journal->append({.event = JournalEvent::kEnd}));
  }
};

TEST(DriverReturn, TheDriverThatWasThereComesBackWithItsModules) {
  World world;
  const RunOutcome outcome = world.apply();
  EXPECT_EQ(outcome.end, RunEnd::kFailed);
  EXPECT_EQ(outcome.step, "driver.modules");
  EXPECT_EQ(world.machine.packages, kOld);
  EXPECT_EQ(world.machine.module, kOld);
  EXPECT_TRUE(world.machine.is_held);
  EXPECT_THAT(
      outcome.message,
      AllOf(HasSubstr("nvidia 580.95.05 cannot be built"),
            HasSubstr("the driver that was there is back, with its modules "
                      "(nvidia-driver-cuda 580.65.06)")));
  EXPECT_THAT(world.silent.did,
              ElementsAre("hold-packages", "install-set", "hold-packages",
                          "build-module",
                          // And back.
                          "build-module", "hold-packages", "install-set",
                          "hold-packages", "build-module"));
  // Once it can be built, the same file does it.
  world.machine.builds.insert(kNew);
  EXPECT_EQ(world.apply().end, RunEnd::kDone);
  EXPECT_EQ(world.machine.module, kNew);
}

// The old version's modules were there before the run, whoever undoes it.
TEST(DriverReturn, WhatIsBuiltOfTheOldOneIsTakenAwayByNoRollback) {
  World world;
  world.apply();
  ASSERT_EQ(world.machine.module, kOld);
  world.roll_back_all();
  EXPECT_EQ(world.machine.module, kOld);
  EXPECT_EQ(world.machine.packages, kOld);
  EXPECT_TRUE(world.machine.is_held);
}

TEST(DriverReturn, WhatCannotComeBackIsToldForWhatItIsAndHeld) {
  World world;
  world.machine.can_go_back = false;
  const RunOutcome outcome = world.apply();
  EXPECT_EQ(world.machine.packages, kNew);
  EXPECT_TRUE(world.machine.is_held);
  EXPECT_THAT(outcome.message,
              AllOf(HasSubstr("nobody has nvidia-driver-cuda=580.65.06"),
                    HasSubstr("; what is installed is held again; the driver "
                              "is half installed"),
                    HasSubstr("gpunode rollback --step driver.packages")));
  // That lifts it again: the packages of the old version come in its place.
  world.machine.can_go_back = true;
  world.roll_back_all();
  EXPECT_EQ(world.machine.packages, kOld);
  EXPECT_TRUE(world.machine.is_held);
}

TEST(DriverReturn, HoldsThatCannotBePutBackAreTold) {
  World world;
  world.machine.can_go_back = false;
  world.silent.on_kind = [&](const std::string& kind, bool is_again) {
    if (is_again && kind == "install-set") world.machine.can_hold = false;
  };
  const RunOutcome outcome = world.apply();
  EXPECT_FALSE(world.machine.is_held);
  EXPECT_THAT(outcome.message,
              HasSubstr("nothing holds nvidia-driver-cuda any more (no room "
                        "for a list): let no update run"));
}

// A bundle has the new version alone.
TEST(DriverReturn, TheOldOneMayComeFromAnotherRepository) {
  World world;
  world.machine.is_old_elsewhere = true;
  EXPECT_THAT(world.apply().message, HasSubstr("is back, with its modules"));
  EXPECT_EQ(world.machine.module, kOld);
}

TEST(DriverReturn, OfARunThatWasCutOffIsToldWhatTheMachineHas) {
  World world;
  world.apply(true);
  ASSERT_EQ(world.machine.packages, kNew);
  const RunOutcome outcome = world.apply();
  EXPECT_EQ(outcome.end, RunEnd::kFailed);
  // What it did stays: nobody saw how far it came.
  EXPECT_EQ(world.machine.packages, kNew);
  EXPECT_THAT(outcome.message,
              AllOf(HasSubstr("cannot be built; the driver is half installed"),
                    HasSubstr("(nvidia-driver-cuda 580.65.06 before)"),
                    HasSubstr("gpunode rollback --step driver.packages")));
}

TEST(DriverReturn, ABootUnitsRunHidesNoneThatWasCutOff) {
  World world;
  world.apply(true);
  {
    auto journal = Journal::open(world.tree.root(), "boot");
    ASSERT_TRUE(journal) << journal.error().message();
    ASSERT_TRUE(journal->start("disk", kOnlyCommand));
    ASSERT_TRUE(journal->append({.event = JournalEvent::kEnd}));
  }
  EXPECT_THAT(world.apply().message, HasSubstr("the driver is half installed"));
}

TEST(DriverReturn, AnOldOneThatCannotBeBuiltAnyMoreIsTold) {
  World world;
  world.machine.builds.clear();
  const RunOutcome outcome = world.apply();
  EXPECT_EQ(world.machine.packages, kOld);
  EXPECT_THAT(outcome.message,
              AllOf(HasSubstr("the packages are again what they were"),
                    HasSubstr("nvidia 580.65.06 cannot be built"),
                    HasSubstr("until the next boot")));
}

TEST(DriverReturn, AFirstDriverStaysForTheNextAttempt) {
  World world;
  world.machine.packages.clear();
  world.machine.module.clear();
  world.machine.is_held = false;
  const RunOutcome outcome = world.apply();
  EXPECT_EQ(world.machine.packages, kNew);
  EXPECT_THAT(outcome.message,
              AllOf(HasSubstr("no module of theirs is loaded"),
                    HasSubstr("gpunode rollback --step driver.packages")));
}

TEST(DriverReturn, WhatAnEarlierRunChangedStands) {
  World world;
  world.machine.builds.insert(kNew);
  EXPECT_EQ(world.apply().end, RunEnd::kDone);
  // A kernel without headers came.
  world.machine.builds.clear();
  world.machine.module.clear();
  const RunOutcome outcome = world.apply();
  EXPECT_EQ(outcome.end, RunEnd::kFailed);
  EXPECT_EQ(world.machine.packages, kNew);
  EXPECT_EQ(outcome.message, "nvidia 580.95.05 cannot be built");
}

}  // namespace
}  // namespace gpunode::provision
