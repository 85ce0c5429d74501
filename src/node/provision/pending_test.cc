#include "node/provision/pending.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"
#include "node/provision/action_json.h"
#include "node/provision/plan.h"

namespace gpunode::provision {
namespace {

using testing::HasSubstr;

TEST(Pending, ComesBackAsItWentAndGoes) {
  const host::HostTree tree;
  const auto none = read_pending(tree.root());
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->has_value());
  Plan plan;
  plan.host = "h";
  plan.node = "n";
  plan.steps.push_back({"a.b", "", "", {.state = StepState::kChange}});
  plan.steps.back().plan.actions.emplace_back(WriteFile{"/etc/x", "caf\xe9"});
  ASSERT_TRUE(
      write_pending(tree.root(), {.run = "r1",
                                  .spec_path = "/etc/n.yaml",
                                  .confirmed_wipes = {"S"},
                                  .only = {"a.b"},
                                  .overwrite_drift = true,
                                  .blank_only = true,
                                  .ignored_preflight = {"clock"},
                                  .spec_files = {{"/etc/n.yaml", "sha256:1"}},
                                  .plan = plan_file(plan)}));
  const auto read = read_pending(tree.root());
  ASSERT_TRUE(read && read->has_value());
  EXPECT_EQ((*read)->run, "r1");
  EXPECT_EQ((*read)->spec_path, "/etc/n.yaml");
  EXPECT_THAT((*read)->confirmed_wipes, testing::ElementsAre("S"));
  EXPECT_THAT((*read)->only, testing::ElementsAre("a.b"));
  EXPECT_TRUE((*read)->overwrite_drift);
  EXPECT_TRUE((*read)->blank_only);
  EXPECT_THAT((*read)->ignored_preflight, testing::ElementsAre("clock"));
  EXPECT_EQ((*read)->spec_files.at("/etc/n.yaml"), "sha256:1");
  const auto back = read_plan_file((*read)->plan);
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_EQ(plan_file(*back), plan_file(plan));
  ASSERT_TRUE(remove_pending(tree.root()));
  ASSERT_TRUE(remove_pending(tree.root()));
  EXPECT_FALSE(read_pending(tree.root())->has_value());
}

// A distribution's name, a file's and a program's words are of any bytes.
TEST(Pending, WhatIsNoUtf8ComesBackAsItWent) {
  const host::HostTree tree;
  Plan plan;
  plan.host =
      "D\xe9"
      "bian";
  plan.kernel = "\xff";
  plan.node = "n\xe9";
  plan.steps.push_back(
      {"a.b",
       "",
       "",
       {.state = StepState::kBlocked, .why = "\xe9t\xe9", .fix = "\x80"}});
  plan.steps.back().plan.actions.emplace_back(
      MakeFilesystem{.disks = {{"S\xe9", "M\xff", 1}}});
  ASSERT_TRUE(write_pending(
      tree.root(),
      {.run = "r1",
       .spec_path = "/etc/\xe9.yaml",
       .confirmed_wipes = {"S\xe9"},
       .only = {"a\xe9"},
       .ignored_preflight = {"\xe9"},
       .spec_files = {{"/etc/\xe9.yaml", "1"}, {"/etc/n.yaml", "2"}},
       .plan = plan_file(plan)}));
  const auto read = read_pending(tree.root());
  ASSERT_TRUE(read && read->has_value());
  EXPECT_EQ((*read)->spec_path, "/etc/\xe9.yaml");
  EXPECT_THAT((*read)->confirmed_wipes, testing::ElementsAre("S\xe9"));
  EXPECT_THAT((*read)->only, testing::ElementsAre("a\xe9"));
  EXPECT_THAT((*read)->ignored_preflight, testing::ElementsAre("\xe9"));
  EXPECT_THAT((*read)->spec_files,
              testing::ElementsAre(testing::Pair("/etc/n.yaml", "2"),
                                   testing::Pair("/etc/\xe9.yaml", "1")));
  const auto back = read_plan_file((*read)->plan);
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_EQ(back->host, plan.host);
  EXPECT_EQ(back->kernel, plan.kernel);
  EXPECT_EQ(back->node, plan.node);
  EXPECT_EQ(back->steps[0].plan.why, "\xe9t\xe9");
  EXPECT_EQ(back->steps[0].plan.fix, "\x80");
  EXPECT_TRUE(same_action(back->steps[0].plan.actions[0],
                          plan.steps[0].plan.actions[0]));
  const auto same = difference((*read)->plan, plan);
  ASSERT_TRUE(same);
  EXPECT_EQ(*same, "");
}

TEST(Plan, AFileWhoseStepsAreNoStepsDiffers) {
  Plan plan;
  plan.steps.push_back({"a.b", "", "", {.state = StepState::kOk}});
  for (const char* step : {"1", "{}", R"({"state":5})"}) {
    const auto differs = difference(
        R"({"gpunode_plan":1,"host":"","kernel":"","node":"","steps":[)" +
            std::string(step) + "]}",
        plan);
    ASSERT_TRUE(differs) << step;
    EXPECT_THAT(*differs, HasSubstr("a.b was unknown")) << step;
  }
}

TEST(Pending, AnEditOfTheFileOrItsDropInsIsTold) {
  Pending pending;
  pending.spec_files = {{"/n.yaml", "1"}, {"/conf.d/a", "2"}};
  EXPECT_EQ(spec_difference(pending, {{"/n.yaml", "1"}, {"/conf.d/a", "2"}}),
            "");
  EXPECT_EQ(spec_difference(pending, {{"/n.yaml", "3"}, {"/conf.d/a", "2"}}),
            "/n.yaml was edited");
  EXPECT_EQ(spec_difference(pending, {{"/n.yaml", "1"}}), "/conf.d/a is gone");
  EXPECT_EQ(
      spec_difference(
          pending, {{"/n.yaml", "1"}, {"/conf.d/a", "2"}, {"/conf.d/b", "3"}}),
      "/conf.d/b is new");
}

TEST(Plan, WhatIsNoPlanFileIsTold) {
  for (const char* text :
       {"", "{", "[]", R"({"gpunode_plan":1,"steps":[]})",
        R"({"gpunode_plan":1,"host":"","kernel":"","node":"","steps":[1]})",
        R"({"gpunode_plan":1,"host":"","kernel":"","node":"","steps":[
            {"id":"a","state":"odd","why":"","fix":"","actions":[]}]})",
        R"({"gpunode_plan":1,"host":"","kernel":"","node":"","steps":[
            {"id":"a","state":"ok","why":"","fix":"","actions":[{}]}]})"}) {
    EXPECT_FALSE(read_plan_file(text)) << text;
  }
  EXPECT_EQ(read_plan_file(R"({"gpunode_plan":2,"steps":[]})").error().code(),
            ErrorCode::kUnsupported);
}

TEST(Pending, DamagedIsToldWithWhatToDo) {
  const host::HostTree tree{{"var/lib/gpunode/pending", "{\"run\": 1}"}};
  const auto read = read_pending(tree.root());
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message(), HasSubstr("gpunode apply"));
}

std::vector<JournalLine> reboots(const std::vector<std::string>& reasons) {
  std::vector<JournalLine> lines;
  for (const std::string& reason : reasons) {
    lines.push_back({.boot_id = std::to_string(lines.size()),
                     .run = "r",
                     .event = JournalEvent::kReboot,
                     .note = reason});
  }
  return lines;
}

TEST(RebootBudget, EndsAfterSoManyOrTheSameReasonTwice) {
  EXPECT_EQ(reboot_refusal(reboots({"a"}), "r", "a", 3), "");
  EXPECT_EQ(reboot_refusal(reboots({"a", "b"}), "r", "b", 3), "");
  EXPECT_THAT(reboot_refusal(reboots({"a", "a"}), "r", "a", 3),
              HasSubstr("did not help"));
  EXPECT_THAT(reboot_refusal(reboots({"a", "b", "c", "d"}), "r", "d", 3),
              HasSubstr("3 times"));
  EXPECT_THAT(reboot_refusal(reboots({"a"}), "r", "a", 0),
              HasSubstr("0 times"));
  // Asked for twice, and nobody rebooted between: no reboot of ours.
  auto asked = reboots({"a", "a"});
  asked[0].boot_id = asked[1].boot_id;
  EXPECT_EQ(reboot_refusal(asked, "r", "a", 1), "");
  // Another run's reboots are not ours.
  EXPECT_EQ(reboot_refusal(reboots({"a", "a"}), "other", "a", 3), "");
}

}  // namespace
}  // namespace gpunode::provision
