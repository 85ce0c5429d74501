#include "node/provision/resumption.h"

#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/provision/preflight.h"
#include "node/provision/seen_content.h"

namespace gpunode::provision {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::SizeIs;

PlannedStep done(const std::string& id) {
  return {id, "of " + id, "", {}};
}

Plan plan_of(std::vector<PlannedStep> steps) {
  Plan plan;
  plan.steps = std::move(steps);
  return plan;
}

PlannedStep step(const std::string& id, const std::string& content) {
  PlannedStep one = done(id);
  one.plan.state = StepState::kChange;
  one.plan.actions.emplace_back(WriteFile{
      .path = "/etc/" + id, .content = content, .before = seen_content({})});
  return one;
}

Pending pending_of(const Plan& plan) {
  Pending pending;
  pending.run = "r";
  pending.spec_path = "/n.yaml";
  pending.spec_files = {{"/n.yaml", "1"}};
  pending.plan = plan_file(plan);
  return pending;
}

TEST(Resumption, GoesOnWithWhatRemains) {
  const Plan plan = plan_of({step("a", "1"), done("b"), step("c", "3")});
  const Plan now = plan_of({done("a"), step("b", "drifted"), step("c", "3")});
  const auto rest = go_on(pending_of(plan), {{"/n.yaml", "1"}}, now, {});
  ASSERT_TRUE(rest) << rest.error().message();
  EXPECT_THAT(rest->agreed.steps, SizeIs(3));
  EXPECT_EQ(rest->agreed.steps[2].title, "of c");
  // b was as it should be at the start; it is none of this run's.
  ASSERT_THAT(rest->remaining.steps, SizeIs(2));
  EXPECT_EQ(rest->remaining.steps[0].id, "a");
  EXPECT_EQ(rest->remaining.changes(), 1U);
}

TEST(Resumption, AnEditedFileStartsAnew) {
  const Plan plan = plan_of({step("a", "1")});
  const auto rest = go_on(pending_of(plan), {{"/n.yaml", "2"}}, plan, {});
  ASSERT_FALSE(rest);
  EXPECT_EQ(rest.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(rest.error().message(), HasSubstr("/n.yaml was edited"));
  EXPECT_THAT(rest.error().message(), HasSubstr("`gpunode apply`"));
}

TEST(Resumption, AHostThatAsksForSomethingElseStartsAnew) {
  const Plan plan = plan_of({step("a", "1"), step("b", "2")});
  const Plan now = plan_of({done("a"), step("b", "other")});
  const auto rest = go_on(pending_of(plan), {{"/n.yaml", "1"}}, now, {});
  ASSERT_FALSE(rest);
  EXPECT_EQ(rest.error().code(), ErrorCode::kAlreadyExists);
  EXPECT_THAT(rest.error().message(), HasSubstr("b is not as it was"));
}

// By hand, after the Step had ended in the run that was cut off.
TEST(Resumption, WhatWasChangedByHandStopsItWithTheWayOut) {
  const Plan plan = plan_of({step("a", "1"), step("b", "2")});
  Plan now = plan;
  now.steps[0].plan.state = StepState::kDrift;
  now.steps[0].plan.why = "a.b was changed since gpunode set it";
  Pending pending = pending_of(plan);
  const auto rest = go_on(pending, {{"/n.yaml", "1"}}, now, {});
  ASSERT_FALSE(rest);
  EXPECT_THAT(rest.error().message(),
              AllOf(HasSubstr("a.b was changed since gpunode set it"),
                    HasSubstr("`gpunode apply --overwrite-drift`")));
  // The run was begun with it.
  pending.overwrite_drift = true;
  const auto over = go_on(pending, {{"/n.yaml", "1"}}, now, {});
  ASSERT_TRUE(over) << over.error().message();
  EXPECT_EQ(over->remaining.steps[0].plan.state, StepState::kDrift);
}

TEST(Resumption, AStepOrAPlanThatIsNotKnownStartsAnew) {
  const Plan plan = plan_of({step("a", "1")});
  const auto gone = go_on(pending_of(plan), {{"/n.yaml", "1"}}, {}, {});
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code(), ErrorCode::kUnsupported);
  Pending damaged = pending_of(plan);
  damaged.plan = "{}";
  const auto bad = go_on(damaged, {{"/n.yaml", "1"}}, plan, {});
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code(), ErrorCode::kCorrupt);
  EXPECT_THAT(bad.error().message(), HasSubstr("`gpunode apply`"));
}

TEST(Resumption, WhatStandsInTheWayOfAPlanStandsInTheWayOfItsRest) {
  const Plan plan = plan_of({step("a", "1")});
  PlannedStep preflight = done(std::string(kPreflightId));
  preflight.plan = StepPlan::blocked("/var is full", "make room");
  const auto rest = go_on(pending_of(plan), {{"/n.yaml", "1"}},
                          plan_of({preflight, step("a", "1")}), {});
  ASSERT_TRUE(rest) << rest.error().message();
  EXPECT_TRUE(rest->remaining.has(StepState::kBlocked));
}

}  // namespace
}  // namespace gpunode::provision
