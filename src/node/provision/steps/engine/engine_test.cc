#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/provision/steps/steps.h"
#include "node/provision/steps/trial_host.h"
#include "node/provision/unit_name.h"

namespace gpunode::provision {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::SizeIs;

constexpr const char* kTimerPath = "/etc/systemd/system/gpunode-check.timer";
constexpr const char* kServicePath =
    "/etc/systemd/system/gpunode-check.service";

StepPlan check_plan(const TrialHost& host) {
  return host.plan(*make_engine_check());
}

TEST(EngineResume, IsThereOnlyWhereRebootsAreAutomatic) {
  TrialHost host;
  EXPECT_EQ(host.plan(*make_engine_resume()).state, StepState::kNotWanted);
  host.spec.host.reboot.mode = RebootMode::kAuto;
  host.spec.program = "/opt/gpunode";
  const StepPlan plan = host.plan(*make_engine_resume());
  const std::string unit = std::get<WriteFile>(plan.actions.at(0)).content;
  EXPECT_THAT(unit, HasSubstr("ExecStart=/opt/gpunode resume"));
  // A shutdown's signal to apt or dpkg would leave packages half-way.
  EXPECT_THAT(unit, HasSubstr("\nKillMode=mixed\nTimeoutStopSec=15min\n"));
  host.carry_out(plan);
  EXPECT_EQ(host.plan(*make_engine_resume()).state, StepState::kOk);
  // Asked for no longer, nothing goes on by itself.
  host.spec.host.reboot.mode = RebootMode::kAsk;
  const StepPlan taken = host.plan(*make_engine_resume());
  ASSERT_THAT(taken.actions, SizeIs(2));
  EXPECT_EQ(describe(taken.actions[0]), "disable gpunode-resume.service");
  host.carry_out(taken);
  EXPECT_EQ(host.plan(*make_engine_resume()).state, StepState::kNotWanted);
}

TEST(EngineCheck, ATimerIsInstalledUnlessToldOtherwise) {
  TrialHost host;
  host.spec.program = "/opt/gpunode";
  const StepPlan plan = check_plan(host);
  EXPECT_EQ(plan.state, StepState::kChange);
  ASSERT_THAT(plan.actions, SizeIs(3));
  EXPECT_THAT(std::get<WriteFile>(plan.actions[0]).content,
              AllOf(HasSubstr("ExecStart=/opt/gpunode check --metrics-file "
                              "/run/gpunode-check/gpunode.prom "
                              "/etc/gpunode/node.yaml\n"),
                    HasSubstr("\nProtectSystem=strict\n"),
                    HasSubstr("\nReadWritePaths=-/var/lib/rpm "),
                    HasSubstr("\nNoNewPrivileges=yes\n")));
  EXPECT_THAT(
      std::get<WriteFile>(plan.actions[1]).content,
      AllOf(HasSubstr("OnCalendar=hourly\n"), HasSubstr("Persistent=true\n"),
            HasSubstr("RandomizedDelaySec=30min\n")));
  const auto& unit = std::get<SetUnit>(plan.actions[2]);
  EXPECT_EQ(unit.unit, "gpunode-check.timer");
  EXPECT_EQ(unit.enabled, Wish::kYes);
  EXPECT_EQ(unit.active, Wish::kYes);
  host.carry_out(plan);
  EXPECT_EQ(check_plan(host).state, StepState::kOk);
}

TEST(EngineCheck, AnotherIntervalStartsItAnew) {
  TrialHost host;
  host.carry_out(check_plan(host));
  host.spec.check.interval = CheckInterval::kWeekly;
  const StepPlan plan = check_plan(host);
  ASSERT_THAT(plan.actions, SizeIs(2));
  EXPECT_THAT(std::get<WriteFile>(plan.actions[0]).content,
              HasSubstr("OnCalendar=weekly\n"));
  EXPECT_TRUE(std::get<SetUnit>(plan.actions[1]).restart);
  host.carry_out(plan);
  EXPECT_EQ(check_plan(host).state, StepState::kOk);
}

TEST(EngineCheck, ATimerThatMayRunAsItsFileWasIsStartedAnew) {
  TrialHost host;
  host.carry_out(check_plan(host));
  host.history.unsettled[kTimerPath] = "engine.check";
  const StepPlan plan = check_plan(host);
  EXPECT_EQ(plan.state, StepState::kChange);
  ASSERT_THAT(plan.actions, SizeIs(1));
  EXPECT_TRUE(std::get<SetUnit>(plan.actions[0]).restart);
  EXPECT_THAT(plan.why, HasSubstr("as its file was"));
}

TEST(EngineCheck, SwitchedOffByHandItIsStartedAgain) {
  TrialHost host;
  host.carry_out(check_plan(host));
  host.facts.units["gpunode-check.timer"].active_state = "inactive";
  EXPECT_THAT(check_plan(host).why, HasSubstr("not active"));
  host.facts.units["gpunode-check.timer"].unit_file_state = "disabled";
  const StepPlan plan = check_plan(host);
  EXPECT_THAT(plan.why, HasSubstr("not enabled"));
  ASSERT_THAT(plan.actions, SizeIs(1));
  host.carry_out(plan);
  EXPECT_EQ(check_plan(host).state, StepState::kOk);
}

TEST(EngineCheck, OffItGoesAndOnlyIfItIsOurs) {
  TrialHost host;
  host.spec.check.interval = CheckInterval::kOff;
  EXPECT_EQ(check_plan(host).state, StepState::kNotWanted);
  host.facts.files[kTimerPath].content = "somebody's\n";
  EXPECT_EQ(check_plan(host).state, StepState::kNotWanted);
  host.facts.files.clear();
  host.spec.check.interval = CheckInterval::kDaily;
  host.carry_out(check_plan(host));
  host.spec.check.interval = CheckInterval::kOff;
  const StepPlan plan = check_plan(host);
  ASSERT_THAT(plan.actions, SizeIs(3));
  EXPECT_EQ(std::get<SetUnit>(plan.actions[0]).active, Wish::kNo);
  host.carry_out(plan);
  EXPECT_FALSE(host.facts.files[kTimerPath].content);
  EXPECT_FALSE(host.facts.files[kServicePath].content);
  EXPECT_EQ(check_plan(host).state, StepState::kNotWanted);
}

TEST(EngineCheck, WhatAPersonChangedIsDrift) {
  TrialHost host;
  host.carry_out(check_plan(host));
  host.facts.files[kTimerPath].content = "[Timer]\nOnCalendar=yearly\n";
  EXPECT_EQ(check_plan(host).state, StepState::kDrift);
}

TEST(EngineCheck, AProgramThatMayBeGoneIsNotStartedByIt) {
  TrialHost host;
  host.spec.program.clear();
  const StepPlan plan = check_plan(host);
  EXPECT_EQ(plan.state, StepState::kNotWanted);
  EXPECT_THAT(plan.why, HasSubstr("/usr/bin/gpunode"));
}

TEST(EngineCheck, WhereSystemdDoesNotRunItIsEnabledAlone) {
  TrialHost host;
  host.facts.machine.systemd = false;
  const StepPlan plan = check_plan(host);
  EXPECT_EQ(std::get<SetUnit>(plan.actions.back()).active, Wish::kAsIs);
  host.carry_out(plan);
  EXPECT_EQ(check_plan(host).state, StepState::kOk);
}

// systemd.syntax(7), systemd.service(5): "Command lines".
TEST(EngineCheck, APathIsOneWordWhateverIsInIt) {
  EXPECT_EQ(exec_word("/etc/gpunode/node.yaml"), "/etc/gpunode/node.yaml");
  EXPECT_EQ(exec_word("/a b/%h $X"), "\"/a b/%%h $$X\"");
  EXPECT_EQ(exec_word("/a\"\\\n;"), "\"/a\\\"\\\\\\x0a;\"");
  EXPECT_EQ(exec_word(""), "\"\"");
  TrialHost host;
  host.spec.path = "/srv/my node.yaml";
  EXPECT_THAT(std::get<WriteFile>(check_plan(host).actions[0]).content,
              HasSubstr(".prom \"/srv/my node.yaml\"\n"));
}

}  // namespace
}  // namespace gpunode::provision
