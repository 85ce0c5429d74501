#include "node/diagnose/status_text.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::diagnose {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kGood =
    R"({"version":1,"driver":{"version":"545.23.08","answers":true},)"
    R"("config":{"file":"/config/c.yaml","migStrategy":"mixed","new":[{}]},)"
    R"("gpus":[{"uuid":"GPU-0","index":0,"name":"NVIDIA A10G",)"
    R"("memoryBytes":25769803776,"migEnabled":true,"mig":[{"uuid":"MIG-1",)"
    R"("index":0,"profile":"1g.5gb","memoryBytes":5368709120}]}],)"
    R"("resources":[{"name":"nvidia.com/gpu","registered":true,)"
    R"("sharing":"timeSlicing","capacity":20,"allocatable":20,"held":3,)"
    R"("free":17,"devices":[{"uuid":"MIG-1","gpu":0,"replicas":20,"held":3,)"
    R"("free":17}]}],"holders":{"source":"podResources","problem":"","items":[)"
    R"({"namespace":"team-a","pod":"train-0","uid":"","container":"main",)"
    R"("resource":"nvidia.com/gpu","ids":["MIG-1::0","MIG-1::1","MIG-1::7"]}]},)"
    R"("unhealthy":[],"leftOut":[],"notReady":[]})";

AgentStatus parsed(const std::string& document) {
  auto status = parse_agent_status(document);
  EXPECT_TRUE(status) << status.error().message();
  return status ? *status : AgentStatus();
}

std::string describe(const AgentStatus& status, const Findings& findings) {
  return diagnose::describe(status, findings, Detail::kSummary).render({});
}

TEST(StatusText, OfAGoodNodeNamesEverythingAndNothingWrong) {
  const AgentStatus status = parsed(kGood);
  EXPECT_TRUE(check_status(status).empty());
  EXPECT_EQ(describe(status, {}),
            "Driver\n  545.23.08\n"
            "GPUs\n  0  NVIDIA A10G, 24576 MiB, MIG\n      GPU-0\n"
            "    0:0  1g.5gb, 5120 MiB\n      MIG-1\n"
            "      17 of 20 shares of nvidia.com/gpu free\n"
            "      team-a/train-0, container main: 3 shares of nvidia.com/gpu "
            "(0-1, 7)\n"
            "Resources\n"
            "  nvidia.com/gpu  17 of 20 free, shared by timeSlicing\n"
            "Configuration\n  file /config/c.yaml, MIG strategy mixed\n"
            "Nothing is wrong.\n");
}

TEST(StatusText, SaysWhatIsWrongAndWhatNext) {
  AgentStatus status = parsed(kGood);
  status.unhealthy.push_back({"GPU-0", "XID 79", 7200});
  status.not_ready.emplace_back("driver: gone");
  status.left_out.push_back({"nvidia.com/gpu", "two sharings"});
  status.reload_problem = "line 3";
  status.label_problem = "forbidden";
  status.config_file.clear();
  status.config_name = "shared";
  status.config_origin = "label";
  const Findings findings = check_status(status);
  EXPECT_EQ(findings.size(), 5U);
  const std::string text = describe(status, findings);
  EXPECT_THAT(text, HasSubstr("      UNHEALTHY for 2 h: XID 79\n"));
  EXPECT_THAT(text, HasSubstr("what is configured is not in force: line 3\n"));
  EXPECT_THAT(text, HasSubstr("  shared, chosen by label, MIG"));
  EXPECT_THAT(text, Not(HasSubstr("Nothing is wrong")));
}

TEST(StatusText, OfASickGpuNamesThosePodsThatHaveIt) {
  AgentStatus status = parsed(kGood);
  status.unhealthy.push_back({"MIG-1", "XID 79", 60});
  const Findings findings = check_status(status);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].what,
            "MIG-1 is unhealthy for 60 s: XID 79; held by team-a/train-0");
  EXPECT_THAT(findings[0].next, HasSubstr("kubectl delete"));
}

TEST(StatusText, AnAgentIsMissedOnceAKubeletHasBeenHere) {
  const Error none(ErrorCode::kNotFound, "no socket");
  HostLook look;
  PlanLook plan;
  EXPECT_EQ(judge_absence(none, look, plan), Absence::kTold);
  plan.exists = true;
  EXPECT_EQ(judge_absence(none, look, plan), Absence::kExpected);
  // Who is there and does not answer is no absence.
  for (const ErrorCode code :
       {ErrorCode::kUnavailable, ErrorCode::kPermissionDenied}) {
    EXPECT_EQ(judge_absence(Error(code, "x"), look, plan), Absence::kTold);
  }
  look.has_plugin_directory = true;
  EXPECT_EQ(judge_absence(none, look, plan), Absence::kTold);
}

TEST(StatusText, OfAnAgentThatCannotTellSaysSo) {
  AgentStatus status = parsed(kGood);
  status.resources[0].free.reset();
  status.holders.clear();
  status.holder_source = "none";
  status.holder_problem = "no answer in time";
  const std::string text = describe(status, {});
  EXPECT_THAT(text, HasSubstr("  nvidia.com/gpu  20 of 20 healthy, shared"));
  EXPECT_THAT(text,
              HasSubstr("who holds what is not known: no answer in time\n"));
  EXPECT_THAT(text, Not(HasSubstr("free")));
}

TEST(StatusText, CountsWhatPodsHoldUnderIdsThatAreNoLongerOffered) {
  AgentStatus status = parsed(kGood);
  status.resources[0].held = 1;
  EXPECT_THAT(describe(status, {}),
              HasSubstr("    and 2 that Pods still hold but that are no longer "
                        "offered\n"));
}

TEST(StatusText, HostilePodNamesStayOnTheirLines) {
  AgentStatus status = parsed(kGood);
  status.holders[0].pod = "p\n  0  FAKE GPU\x1b[31m";
  status.holders[0].container = "\r\x1b[2K";
  status.unhealthy.push_back({"MIG-1", "x\n", 1});
  const std::string text = describe(status, check_status(status));
  EXPECT_THAT(text, HasSubstr("team-a/p?  0  FAKE GPU?[31m, container ??[2K"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

TEST(StatusText, ANarrowTerminalFoldsAndKeepsIdsWhole) {
  const console::Page page =
      diagnose::describe(parsed(kGood), {}, Detail::kSummary);
  const std::string text = page.render({42, true});
  EXPECT_THAT(text, HasSubstr("\x1b[1mGPUs\x1b[0m\n"));
  EXPECT_THAT(text, HasSubstr("      team-a/train-0, container main: 3\n"
                              "        shares of nvidia.com/gpu (0-1, 7)\n"));
}

TEST(StatusText, LetsNoControlBytesOntoTheTerminal) {
  AgentStatus status = parsed(kGood);
  status.gpus[0].name = "\x1b[2Jx\n\x9b";
  status.not_ready.emplace_back("driver: \x1b]0;x\a");
  const std::string text = describe(status, check_status(status));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, Not(HasSubstr("\x9b")));
  EXPECT_THAT(text, HasSubstr("?[2Jx??"));
}

TEST(AgentStatusDocument, OfAnotherVersionIsRefused) {
  const auto status = parse_agent_status(R"({"version":2})");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::kUnsupported);
}

TEST(AgentStatusDocument, ThatIsNoneIsRefused) {
  for (const char* text :
       {"", "[]", "{", R"({"version":1}x)", R"({"version":1,"gpus":{}})",
        R"({"version":1,"driver":{"answers":"yes"}})"}) {
    EXPECT_FALSE(parse_agent_status(text)) << text;
  }
}

TEST(AgentSocket, WithoutAnAgentSaysSo) {
  const auto answer = ask_agent("/nonexistent/agent.sock");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace gpunode::diagnose
