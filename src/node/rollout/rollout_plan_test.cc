#include "node/rollout/rollout_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::rollout {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using State = PlannedNode::State;

SelectedNode node(const std::string& name) {
  SelectedNode selected;
  selected.node.name = name;
  selected.node.is_ready = true;
  return selected;
}

std::vector<std::string> names(const RolloutPlan& plan) {
  std::vector<std::string> names;
  for (const PlannedNode& one : plan.nodes) names.push_back(one.node.name);
  return names;
}

TEST(RolloutPlan, GoesByNameAndOnWithWhatHasBegun) {
  SelectedNode begun = node("z");
  begun.node.mark = NodeMark{Phase::kBringing, "d", false, 1, "broke"};
  SelectedNode done = node("a");
  done.node.done_digest = "d";
  const RolloutPlan plan =
      plan_rollout({node("c"), done, begun, node("b")}, {}, "d", {});
  EXPECT_THAT(names(plan), ElementsAre("z", "a", "b", "c"));
  EXPECT_EQ(plan.nodes[0].state, State::kUnderWay);
  EXPECT_THAT(plan.nodes[0].words, ElementsAre("broke"));
  EXPECT_EQ(plan.nodes[1].state, State::kDone);
  EXPECT_EQ(plan.count(State::kToDo), 2U);
}

TEST(RolloutPlan, OfAnotherFileDoesAllAnew) {
  SelectedNode done = node("a");
  done.node.done_digest = "old";
  SelectedNode begun = node("b");
  begun.node.mark = NodeMark{Phase::kChecking, "old", true, 1, ""};
  const RolloutPlan plan = plan_rollout({done, begun}, {}, "new", {});
  EXPECT_EQ(plan.nodes[0].node.name, "b");
  EXPECT_THAT(plan.nodes[0].words,
              ElementsAre(HasSubstr("this one takes over")));
  EXPECT_EQ(plan.nodes[1].state, State::kToDo);
}

TEST(RolloutPlan, IsLookedAtAgainOnceTheLeaseIsHeld) {
  SelectedNode begun = node("c");
  begun.node.mark = NodeMark{Phase::kBringing, "d", false, 1, ""};
  SelectedNode done = node("a");
  done.node.done_digest = "d";
  const RolloutPlan shown = plan_rollout(
      {node("a"), node("b"), node("c"), node("gone")}, {}, "d", {});
  const RolloutPlan now =
      plan_rollout({done, node("b"), begun, node("new")}, {}, "d", {});
  const SecondLook look = look_again(shown, now);
  EXPECT_THAT(look.nodes, ElementsAre("c", "b"));
  EXPECT_THAT(look.words,
              ElementsAre("another roll-out has begun at c meanwhile: it comes "
                          "first",
                          "a was done by another roll-out meanwhile",
                          HasSubstr("new is selected by now"),
                          HasSubstr("gone is gone, or not selected")));
  // As it was: nothing is told.
  EXPECT_THAT(look_again(shown, shown).words, IsEmpty());
  EXPECT_THAT(look_again(shown, shown).nodes,
              ElementsAre("a", "b", "c", "gone"));
  // What was passed over is done anew where its mark is gone.
  const SecondLook undone = look_again(plan_rollout({done}, {}, "d", {}),
                                       plan_rollout({node("a")}, {}, "d", {}));
  EXPECT_THAT(undone.nodes, ElementsAre("a"));
  EXPECT_THAT(undone.words, ElementsAre(HasSubstr("was done, and is not")));
}

TEST(RolloutPlan, OneThatWasLeftHalfwayAndNotShownIsToldWithHowItStands) {
  SelectedNode ours = node("ours");
  ours.node.is_cordoned = true;
  ours.node.mark = NodeMark{Phase::kBringing, "d", false, 1, "broke"};
  SelectedNode theirs = node("theirs");
  theirs.node.is_cordoned = true;
  theirs.node.mark = NodeMark{Phase::kDraining, "other", true, 1, ""};
  SelectedNode open = node("uncordoned");
  open.node.mark = NodeMark{Phase::kDraining, "d", false, 1, ""};
  const SecondLook look =
      look_again(plan_rollout({}, {}, "d", {}),
                 plan_rollout({ours, theirs, open}, {}, "d", {}));
  EXPECT_THAT(look.nodes, IsEmpty());
  ASSERT_THAT(look.words, SizeIs(3));
  EXPECT_THAT(look.words[0],
              AllOf(HasSubstr("ours is selected by now and was not in the"),
                    HasSubstr("cordoned by a roll-out of this file"),
                    HasSubstr("(bringing: broke)"),
                    HasSubstr("next: the same command, once more")));
  EXPECT_THAT(look.words[1],
              AllOf(HasSubstr("cordoned by somebody before"),
                    HasSubstr("a roll-out of another file"),
                    HasSubstr("next: the same command, once more")));
  EXPECT_THAT(look.words[2],
              AllOf(HasSubstr("not cordoned any more"),
                    HasSubstr("next: the same command, once more")));
}

TEST(RolloutPlan, OneThatIsNotSelectedAnyMoreIsToldWithHowItStands) {
  NodeLook left;
  left.name = "gone";
  left.is_cordoned = true;
  left.mark = NodeMark{Phase::kDraining, "d", false, 1, ""};
  const SecondLook look = look_again(plan_rollout({node("gone")}, {}, "d", {}),
                                     plan_rollout({}, {left}, "d", {}));
  EXPECT_THAT(look.words,
              ElementsAre(AllOf(HasSubstr("gone is not selected any more"),
                                HasSubstr("cordoned by a roll-out of this"),
                                HasSubstr("next: the same command with a "
                                          "--selector that has it"))));
}

TEST(RolloutPlan, SaysWhereItWouldStop) {
  SelectedNode away = node("away");
  away.node.is_ready = false;
  SelectedNode master = node("master");
  master.node.is_control_plane = true;
  SelectedNode busy = node("busy");
  busy.pods = {{.key = {"default", "notebook"}}};
  SelectedNode strange = node("strange");
  strange.node.done_digest = "d";
  strange.node.mark_trouble = "not ours";
  const RolloutPlan plan =
      plan_rollout({away, master, busy, strange}, {}, "d", {});
  EXPECT_EQ(plan.count(State::kBlocked), 4U);
  EXPECT_THAT(plan.nodes[0].words, ElementsAre(HasSubstr("not Ready")));
  EXPECT_THAT(plan.nodes[1].words, ElementsAre(HasSubstr("default/notebook")));
  EXPECT_THAT(plan.nodes[2].words, ElementsAre(HasSubstr("control plane")));
  EXPECT_THAT(plan.nodes[3].words, ElementsAre("not ours"));
  EXPECT_EQ(plan_rollout({busy}, {}, "d", {.force = true}).count(State::kToDo),
            1U);
}

TEST(RolloutPlan, TellsOfOthersThatWereLeftHalfway) {
  NodeLook left;
  left.name = "left";
  left.mark = NodeMark{Phase::kDraining, "d", false, 1, ""};
  NodeLook free;
  free.name = "free";
  const RolloutPlan plan = plan_rollout({}, {free, left}, "d", {});
  EXPECT_THAT(plan.nodes, IsEmpty());
  ASSERT_THAT(plan.others, SizeIs(1));
  EXPECT_EQ(plan.others.front().name, "left");
}

}  // namespace
}  // namespace gpunode::rollout
