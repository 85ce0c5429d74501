// `gpunode status` on a host that is being made a node, before there is a
// cluster: each Step of its plan, and how the last run ended.
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/host/command_runner.h"
#include "tests/integration/bare_host.h"

namespace gpunode::integration {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kSpecPath = "etc/gpunode/node.yaml";

class StatusOfANode : public testing::Test {
 protected:
  host::Completed status(const std::vector<std::string>& more = {}) {
    host::Command command;
    command.argv = {GPUNODE, "status", "--root", host_.tree.path()};
    command.argv.insert(command.argv.end(), more.begin(), more.end());
    host::SystemCommandRunner runner;
    auto done = runner.run(command);
    EXPECT_TRUE(done) << done.error().message();
    return done ? *done : host::Completed{-1, "", ""};
  }

  void journal(const std::string& last) {
    const std::string common = R"("boot":"b","run":"r1","step":"","of":0,)";
    host_.tree.file("var/lib/gpunode/journal.jsonl",
                    R"({"v":1,"seq":1,"time":"2026-11-28T10:00:00Z",)" +
                        common + R"("event":"run","note":"apply"})" + "\n" +
                        last);
  }

  BareHost host_;
};

TEST_F(StatusOfANode, WithoutAFileItIsAsItWas) {
  const host::Completed done = status();
  EXPECT_EQ(done.status, 5);
  EXPECT_THAT(done.out,
              AllOf(testing::StartsWith("No answer from an agent. "),
                    Not(HasSubstr("Node, as of")), HasSubstr("What is wrong")));
  EXPECT_FALSE(json::parse(status({"--json"}).out).contains("node"));
}

TEST_F(StatusOfANode, ShowsEachStep) {
  host_.tree.file(kSpecPath, kSmallSpec);
  const host::Completed done = status();
  EXPECT_EQ(done.status, 5) << done.err;
  EXPECT_THAT(done.out,
              AllOf(HasSubstr("Node, as of /etc/gpunode/node.yaml\n"),
                    HasSubstr("  = prep.swap"), HasSubstr("  ~ prep.sysctl"),
                    HasSubstr("not asked for\n"),
                    HasSubstr("No agent, as no kubelet has been"),
                    Not(HasSubstr("no agent answers"))));
  EXPECT_THAT(status({"--all"}).out, HasSubstr("    prep.time"));
  const json report = json::parse(status({"--json"}).out);
  EXPECT_EQ(report["node"]["pending"], false);
  EXPECT_TRUE(report["node"]["lastRun"].is_null());
  EXPECT_GT(report["node"]["steps"].size(), 6U);
  EXPECT_EQ(report["findings"][0]["check"], "plan");
}

TEST_F(StatusOfANode, TellsHowTheLastRunEndedAndWhatWaits) {
  host_.tree.file(kSpecPath, kSmallSpec);
  journal(
      R"({"v":1,"seq":2,"time":"2026-11-28T10:01:00Z","boot":"b","run":"r1",)"
      R"("event":"end","step":"","of":0,"note":"done"})"
      "\n");
  EXPECT_THAT(status().out, HasSubstr("last run: apply of 2026-11-28T10:00:00Z:"
                                      " done, 2026-11-28T10:01:00Z\n"));
  journal("");
  EXPECT_THAT(status().out, HasSubstr("10:00:00Z: not ended\n"));
  host_.tree.file("var/lib/gpunode/pending",
                  R"({"run":"r1","spec":"/etc/gpunode/node.yaml",)"
                  R"("confirmed_wipes":[],"only":[],"overwrite_drift":false})");
  EXPECT_THAT(status().out, HasSubstr("`gpunode resume`"));
  const json report = json::parse(status({"--json"}).out);
  EXPECT_EQ(report["node"]["pending"], true);
  EXPECT_EQ(report["node"]["lastRun"]["command"], "apply");
}

TEST_F(StatusOfANode, TellsWhatEndsARollbackThatWasCutOff) {
  host_.tree.file(kSpecPath, kSmallSpec);
  const std::string start =
      R"({"v":1,"seq":1,"time":"2026-11-28T10:00:00Z","boot":"b","run":"r1",)"
      R"("step":"","of":0,"event":"run","note":"rollback"})"
      "\n";
  const std::string end =
      R"({"v":1,"seq":2,"time":"2026-11-28T10:01:00Z","boot":"b","run":"r1",)"
      R"("event":"end","step":"","of":0,"note":"done"})"
      "\n";
  host_.tree.file("var/lib/gpunode/journal.jsonl", start);
  EXPECT_THAT(status().out, AllOf(HasSubstr("10:00:00Z: not ended\n"),
                                  HasSubstr("the same `gpunode rollback` ")));
  host_.tree.file("var/lib/gpunode/journal.jsonl", start + end);
  EXPECT_THAT(status().out, Not(HasSubstr("`gpunode rollback`")));
}

TEST_F(StatusOfANode, AFileThatCannotBeReadIsWrongItself) {
  host_.tree.file(kSpecPath, "kind: Nothing\n");
  const host::Completed done = status();
  EXPECT_EQ(done.status, 5);
  EXPECT_THAT(done.out, HasSubstr("not known: "));
}

// Once a kubelet has been here, an agent is to be there.
TEST_F(StatusOfANode, WithAKubeletTheAgentIsMissed) {
  host_.tree.file(kSpecPath, kSmallSpec);
  host_.tree.directory("var/lib/kubelet/device-plugins");
  EXPECT_THAT(status().out, AllOf(HasSubstr("No answer from an agent"),
                                  HasSubstr("no agent answers")));
}

}  // namespace
}  // namespace gpunode::integration
