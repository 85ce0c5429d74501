// A driver whose modules cannot be built: the one before it comes back with its
// own, or what the machine has now is told.
#include "node/provision/driver_return.h"

#include <atomic>
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
      is_held = hold->held;
    }
    const auto* build = std::get_if<BuildModule>(&action);
    if (build == nullptr || !build->built) return {};
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
    if (set.version.empty() && !can_go_back) {
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

  void step_started(const PlannedStep& /*step*/, std::size_t /*index*/,
                    std::size_t /*count*/) override {}
  void action_started(const Action& action) override {
    did.push_back(std::visit(
        [](const auto& one) { return std::string(one.kKind); }, action));
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

  RunOutcome apply() {
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
    RunOutcome outcome = execute(plan, machine, *journal, replan, silent, stop);
    EXPECT_TRUE(
        journal->append({.event = JournalEvent::kEnd, .step = outcome.step}));
    return outcome;
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

TEST(DriverReturn, WhatCannotComeBackIsToldForWhatItIs) {
  World world;
  world.machine.can_go_back = false;
  const RunOutcome outcome = world.apply();
  EXPECT_EQ(world.machine.packages, kNew);
  EXPECT_THAT(outcome.message,
              AllOf(HasSubstr("nobody has nvidia-driver-cuda=580.65.06"),
                    HasSubstr("the driver is half installed"),
                    HasSubstr("gpunode rollback --step driver.packages")));
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
