#include "node/provision/plan_text.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/console/terminal.h"

namespace gpunode::provision {
namespace {

using testing::HasSubstr;

PlannedStep step(const std::string& id, StepState state) {
  return {.id = id,
          .title = "nothing starts without it",
          .reason = "",
          .plan = {.state = state}};
}

std::string shown(const Plan& plan) {
  return plan_page(plan, {}).render(console::Terminal{});
}

TEST(PlanText, AnIdOfAnyLengthStandsApartFromItsTitle) {
  Plan plan;
  plan.steps = {step("prep.swap", StepState::kChange),
                step("storage.containerd.users", StepState::kChange)};
  const std::string text = shown(plan);
  EXPECT_THAT(text, HasSubstr("prep.swap             nothing starts"));
  EXPECT_THAT(text, HasSubstr("storage.containerd.users nothing starts"));
}

TEST(PlanText, SaysHowMuchOfWhatAndWhatNext) {
  Plan plan;
  plan.steps = {step("a", StepState::kChange), step("b", StepState::kOk),
                step("c", StepState::kNotWanted)};
  plan.steps[0].plan.actions = {RemoveFile{"/etc/x"}};
  EXPECT_THAT(shown(plan), HasSubstr("1 to change, 1 as they should be, 1 not "
                                     "asked for\nNext: gpunode apply\n"));
  EXPECT_EQ(plan_page(plan, {.is_about_to_begin = true})
                .render(console::Terminal{})
                .find("Next:"),
            std::string::npos);
  plan.steps[1].plan = StepPlan::refused("somebody's data", "another disk");
  EXPECT_THAT(shown(plan), HasSubstr("Nothing is changed until"));
  EXPECT_THAT(shown(plan), HasSubstr("somebody's data"));
  EXPECT_THAT(shown(plan), HasSubstr("-> another disk"));
}

TEST(PlanText, WhatIsLostIsSaidApart) {
  Plan plan;
  plan.steps = {step("a", StepState::kChange)};
  EXPECT_EQ(shown(plan).find("DESTRUCTIVE"), std::string::npos);
  plan.steps[0].plan.destroys = {"Model M, serial S, 1 TiB"};
  EXPECT_THAT(shown(plan), HasSubstr("DESTRUCTIVE: whatever is on these disks "
                                     "is lost\n  Model M, serial S, 1 TiB\n"));
}

}  // namespace
}  // namespace gpunode::provision
