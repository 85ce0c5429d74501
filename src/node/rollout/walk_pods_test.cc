// Walks against the API server's double: what becomes of the Pods on a node,
// and what is done to none.
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "node/rollout/walk.h"
#include "node/rollout/walking_test.h"

namespace gpunode::rollout {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using End = WalkOutcome::End;

TEST_F(Walking, APodThatOnlyClaimsToBeADaemonSetsIsRefused) {
  // Of one that is not there, of one of another uid, and of one elsewhere.
  pod("gpu-1", "forged-1",
      R"([{"apiVersion":"apps/v1","kind":"DaemonSet","name":"nobody",)"
      R"("uid":"u","controller":true}])");
  pod("gpu-1", "forged-2",
      R"([{"apiVersion":"apps/v1","kind":"DaemonSet","name":"proxy",)"
      R"("uid":"u-before","controller":true}])");
  pod("gpu-1", "forged-3",
      R"([{"apiVersion":"apps/v1","kind":"DaemonSet","name":"../x",)"
      R"("uid":"u","controller":true}])");
  const WalkOutcome outcome = walk({"gpu-1"});
  EXPECT_EQ(outcome.end, End::kRefused);
  EXPECT_THAT(outcome.words,
              AllOf(HasSubstr("say they are a DaemonSet's"),
                    HasSubstr("default/forged-1, default/forged-2, "
                              "default/forged-3")));
  EXPECT_THAT(outcome.words, Not(HasSubstr("proxy-1")));
  EXPECT_FALSE(is_cordoned("gpu-1"));
  options_.drain.force = true;
  EXPECT_EQ(walk({"gpu-1"}).end, End::kDone);
  EXPECT_EQ(server_.object("/api/v1/namespaces/default/pods/forged-2"), "");
  EXPECT_NE(server_.object("/api/v1/namespaces/default/pods/proxy-1"), "");
}

TEST_F(Walking, DaemonSetsOfOtherGroupsKeepTheirPods) {
  pod("gpu-1", "other-1",
      R"([{"apiVersion":"apps.example.io/v1alpha1","kind":"DaemonSet",)"
      R"("name":"other","uid":"u-other","controller":true}])");
  EXPECT_EQ(walk({"gpu-1"}).end, End::kRefused);
  server_.put(
      "/apis/apps.example.io/v1alpha1/namespaces/default/daemonsets/other",
      R"({"metadata":{"name":"other","uid":"u-other"}})");
  EXPECT_EQ(walk({"gpu-1"}).end, End::kDone);
  EXPECT_NE(server_.object("/api/v1/namespaces/default/pods/other-1"), "");
}

TEST_F(Walking, WhoMayNotReadDaemonSetsIsToldSoBeforeAnythingIsDone) {
  kube::FixedCredentials credentials(server_.port());
  kube::Client client(credentials, nullptr, once());
  DaemonSets daemon_sets;
  DrainPod pod;
  pod.key = {"default", "proxy-1"};
  pod.controller = {"apps/v1", "DaemonSet", "proxy", "u-proxy"};
  server_.refuse(403, "Forbidden", 1, "", "GET");
  ASSERT_TRUE(daemon_sets.look_up(client, pod));
  EXPECT_FALSE(pod.is_of_daemon_set);
  EXPECT_THAT(pod.lookup_trouble,
              AllOf(HasSubstr("the right lacks to get daemonsets.apps in the "
                              "namespace default"),
                    HasSubstr("docs/security.md")));
}

TEST_F(Walking, AClaimIsLookedUpOnce) {
  EXPECT_EQ(walk({"gpu-1"}).end, End::kDone);
  EXPECT_EQ(count("GET /apis/apps/v1/namespaces/default/daemonsets/proxy"), 1U);
}

TEST_F(Walking, APodOfTwoBudgetsOrOfANamespaceThatGoesIsWaitedForInWords) {
  const std::string path = "/api/v1/namespaces/default/pods/web-1";
  json running = json::parse(server_.object(path));
  running["status"]["phase"] = "Running";
  running["metadata"]["labels"]["app"] = "web";
  server_.put(path, running.dump());
  const std::string budgets =
      "/apis/policy/v1/namespaces/default/poddisruptionbudgets/";
  for (const char* name : {"one", "two"}) {
    server_.put(budgets + name,
                R"({"spec":{"selector":{"matchLabels":{"app":"web"}}}})");
  }
  int pauses = 0;
  on_pause_ = [&] {
    ++pauses;
    if (pauses == 20) {
      for (const char* name : {"one", "two"}) server_.remove(budgets + name);
      server_.put("/api/v1/namespaces/default",
                  R"({"status":{"phase":"Terminating"}})");
    }
    if (pauses == 60) server_.remove(path);
  };
  EXPECT_EQ(walk({"gpu-1"}).end, End::kDone);
  EXPECT_THAT(recorder_.lines,
              AllOf(Contains(HasSubstr("more than one PodDisruptionBudget")),
                    Contains(HasSubstr("namespace default is being deleted"))));
}

TEST_F(Walking, WaitsForABudgetWithItsWords) {
  server_.hold_evictions(3, "The disruption budget web needs 2 healthy pods");
  EXPECT_EQ(walk().end, End::kDone);
  EXPECT_THAT(recorder_.lines,
              Contains(AllOf(StartsWith("waits default/web-1: "),
                             HasSubstr("budget web needs 2 healthy pods"))));
  // As kubectl: every five seconds, not in each look.
  int asked = 0;
  for (const std::string& line : server_.requests()) {
    if (line.ends_with("web-1/eviction")) ++asked;
  }
  EXPECT_EQ(asked, 4);
}

TEST_F(Walking, ABudgetThatNeverGivesWayIsABadNode) {
  server_.hold_evictions(1000, "needs 2");
  options_.drain_timeout = std::chrono::seconds(20);
  const WalkOutcome outcome = walk();
  EXPECT_EQ(outcome.end, End::kBadNode);
  EXPECT_THAT(outcome.words, AllOf(HasSubstr("not drained within 20 s"),
                                   HasSubstr("needs 2")));
  EXPECT_THAT(outcome.next, HasSubstr("kubectl get pdb -A"));
  EXPECT_TRUE(is_cordoned("gpu-1"));
  EXPECT_EQ(label("gpu-1"), "");
  server_.hold_evictions(0, "");
  EXPECT_EQ(walk().end, End::kDone);
  expect_all_done();
}

TEST_F(Walking, APodThatNobodyMakesAgainIsRefusedBeforeAnythingIsDone) {
  pod("gpu-1", "notebook");
  const WalkOutcome outcome = walk();
  EXPECT_EQ(outcome.end, End::kRefused);
  EXPECT_THAT(outcome.words, HasSubstr("--force"));
  EXPECT_FALSE(is_cordoned("gpu-1"));
  EXPECT_EQ(annotation("gpu-1", kRolloutAnnotation), "");
  options_.drain.force = true;
  EXPECT_EQ(walk().end, End::kDone);
}

}  // namespace
}  // namespace gpunode::rollout
