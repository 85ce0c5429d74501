#include "node/rollout/rollout_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace gpunode::rollout {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using State = PlannedNode::State;

PlannedNode planned(const std::string& name, State state) {
  PlannedNode one;
  one.state = state;
  one.node.name = name;
  one.leaving = 3;
  one.staying = 2;
  return one;
}

RolloutPlan plan() {
  RolloutPlan plan;
  plan.digest = std::string(64, 'e');
  PlannedNode begun = planned("gpu-1", State::kUnderWay);
  begun.node.mark = NodeMark{Phase::kBringing, plan.digest, false, 1, ""};
  begun.words = {"failed: apt said \x1b[31mno"};
  PlannedNode blocked = planned("gpu-4", State::kBlocked);
  blocked.words = {"it is not Ready"};
  PlannedNode cordoned = planned("gpu-5", State::kToDo);
  cordoned.node.is_cordoned = true;
  plan.nodes = {begun, planned("gpu-2", State::kDone),
                planned("gpu-3", State::kToDo), blocked, cordoned};
  NodeLook other;
  other.name = "cpu-9";
  other.mark = begun.node.mark;
  plan.others = {other};
  return plan;
}

TEST(RolloutText, ShowsThePlan) {
  EXPECT_EQ(plan_page(plan()).render({}),
            "Roll-out of file eeeeeeeeeeeeeeee, one node at a time\n"
            "  > gpu-1  goes on: bringing\n"
            "      failed: apt said ?[31mno\n"
            "  = gpu-2  done\n"
            "  ~ gpu-3  cordon, drain 3 Pods (2 stay), apply the file, check, "
            "uncordon\n"
            "  ! gpu-4  the roll-out would stop here\n"
            "      it is not Ready\n"
            "  ~ gpu-5  drain 3 Pods (2 stay), apply the file, check; stays "
            "cordoned\n"
            "cpu-9 is not selected, and a roll-out that has begun there has "
            "not ended (bringing): it is left alone\n"
            "2 to do, 1 under way, 1 blocked, 1 done\n");
  EXPECT_THAT(plan_page({}).render({}), HasSubstr("no node is selected"));
}

TEST(RolloutText, TellsProgramsTheSame) {
  const json read = json::parse(plan_json(plan()));
  EXPECT_EQ(read["event"], "plan");
  EXPECT_EQ(read["nodes"][0]["state"], "under-way");
  EXPECT_EQ(read["nodes"][0]["phase"], "bringing");
  EXPECT_TRUE(read["nodes"][1]["phase"].is_null());
  EXPECT_EQ(read["nodes"][2]["podsLeaving"], 3);
  EXPECT_EQ(read["others"][0], "cpu-9");
}

TEST(RolloutText, SaysWhereItEndedAndWhatNext) {
  const WalkOutcome bad{WalkOutcome::End::kBadNode, "gpu-2", "why",
                        "look there\nthen this", 1};
  EXPECT_EQ(outcome_page(bad).render({}),
            "It ends at gpu-2, which stays cordoned; no other node is "
            "touched\n  why\n  look there\n  then this\n");
  const json read = json::parse(outcome_json(bad));
  EXPECT_EQ(read["end"], "bad-node");
  EXPECT_EQ(read["nodesDone"], 1);
  EXPECT_EQ(outcome_page({WalkOutcome::End::kDone, "", "", "", 2}).render({}),
            "Done: 2 nodes\n");
}

TEST(RolloutText, GoesLineByLine) {
  std::string text;
  RolloutText people(
      [&](const console::Page& page) { text += page.render({}); });
  people.node_started("gpu-2", 1, 3);
  people.did("gpu-2", "cordoned");
  people.waits("gpu-2", "a \x1b thing");
  people.node_done("gpu-2");
  EXPECT_EQ(text,
            "[2/3] gpu-2\n  cordoned\n  waits: a ? thing\n  gpu-2 is done\n");
  std::string lines;
  RolloutJson programs([&](const std::string& line) { lines += line; });
  programs.did("gpu-2", "cordoned");
  EXPECT_EQ(json::parse(lines)["event"], "did");
  EXPECT_EQ(lines.back(), '\n');
}

}  // namespace
}  // namespace gpunode::rollout
