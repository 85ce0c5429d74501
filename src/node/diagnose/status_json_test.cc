#include "node/diagnose/status_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::diagnose {
namespace {

using testing::HasSubstr;

TEST(StatusJson, KeepsTheAgentsWordsAndAddsItsOwn) {
  AgentStatus status;
  status.holder_source = "checkpoint";
  status.holders = {{"ns", "named", "u", "c", "r", {"GPU-0::1"}}};
  const auto text = status_json(
      R"({"version":1,"later":[1.50],"holders":{"source":"x"},"z":0})"
      "\n",
      status, {}, {{"health", "it's \"ill\"", "look"}});
  ASSERT_TRUE(text) << text.error().message();
  EXPECT_EQ(*text,
            R"({"version":1,"later":[1.50],"holders":{"source":"checkpoint",)"
            R"("problem":"","items":[{"namespace":"ns","pod":"named",)"
            R"("uid":"u","container":"c","resource":"r","ids":["GPU-0::1"]}]},)"
            R"("z":0,"agent":{"answers":true,"problem":""},)"
            R"("findings":[{"check":"health","what":"it's \"ill\"",)"
            R"("next":"look"}]})"
            "\n");
}

TEST(StatusJson, WithoutAnAgentIsReadAsTheAgentsIs) {
  HostLook look;
  look.known.driver_version = "545.23.08";
  look.known.gpus = {{"GPU-0", 0, "NVIDIA A10G", 0, false, {}}};
  look.known.holder_source = "checkpoint";
  look.known.holders = {{"", "", "u", "c", "r", {"GPU-0::\x1b"}}};
  look.known.resources.resize(1);
  look.known.resources[0].name = "r";
  look.known.resources[0].free = 3;
  look.last_choice = "label=a";
  const std::string text =
      status_json(look, Error(ErrorCode::kNotFound, "no socket"), {}, {});
  EXPECT_THAT(text,
              HasSubstr(R"("agent":{"answers":false,"problem":"no socket"})"));
  EXPECT_THAT(text, HasSubstr(R"("lastChoice":"label=a")"));
  const auto again = parse_agent_status(text);
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(again->gpus.size(), 1U);
  EXPECT_EQ(again->holders.at(0).ids.at(0), "GPU-0::\x1b");
  EXPECT_EQ(again->resources.at(0).free, 3U);
  EXPECT_FALSE(again->driver_answers);
}

TEST(StatusJson, ThePlanIsThereWhereThereIsOne) {
  PlanLook plan;
  plan.file = "/etc/gpunode/node.yaml";
  plan.exists = true;
  plan.steps = {{"prep.swap", "swap is off", StepStand::kDrift, "it is on"}};
  plan.last_run = {"r", "apply", "2026-11-28T10:00:00Z", "", ""};
  plan.is_pending = true;
  const std::string node =
      R"("node":{"file":"/etc/gpunode/node.yaml","problem":"","steps":[{)"
      R"("id":"prep.swap","title":"swap is off","stand":"drift",)"
      R"("why":"it is on","fix":""}],"lastRun":{"run":"r","command":"apply",)"
      R"("began":"2026-11-28T10:00:00Z","ended":"","outcome":""},)"
      R"("pending":true,"gaps":[]})";
  EXPECT_THAT(status_json({}, Error(ErrorCode::kNotFound, "x"), plan, {}),
              HasSubstr(node));
  const auto text = status_json(R"({"version":1})", {}, plan, {});
  ASSERT_TRUE(text);
  EXPECT_THAT(*text, HasSubstr(node));
  EXPECT_THAT(status_json({}, Error(ErrorCode::kNotFound, "x"), {}, {}),
              testing::Not(HasSubstr("\"node\"")));
}

}  // namespace
}  // namespace gpunode::diagnose
