// Walks against the API server's double: what stands on the Nodes at the end,
// and after a walk that was ended at any of its requests.
#include "node/rollout/walk.h"

#include <algorithm>
#include <functional>
#include <utility>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "node/rollout/walking_test.h"

namespace gpunode::rollout {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;
using End = WalkOutcome::End;

TEST_F(Walking, GoesFromNodeToNode) {
  const WalkOutcome outcome = walk();
  EXPECT_EQ(outcome.end, End::kDone) << outcome.words;
  EXPECT_EQ(outcome.done, 2U);
  expect_all_done();
  EXPECT_EQ(server_.object("/api/v1/namespaces/default/pods/web-1"), "");
  EXPECT_NE(server_.object("/api/v1/namespaces/default/pods/proxy-1"), "");
  EXPECT_THAT(
      recorder_.lines,
      ElementsAre("start gpu-1", "cordoned", "evicted default/web-1",
                  StartsWith("waits Pods that end: default/web-1"),
                  "drained; 1 Pods of DaemonSets and static ones stay",
                  "waits the bringer's Pod to be made", "the file is applied",
                  "uncordoned", "done gpu-1", "start gpu-2", "cordoned",
                  "drained; 0 Pods of DaemonSets and static ones stay",
                  "waits the bringer's Pod to be made", "the file is applied",
                  "uncordoned", "done gpu-2"));
  // Again: all is done.
  recorder_.lines.clear();
  EXPECT_EQ(walk().end, End::kDone);
  EXPECT_THAT(recorder_.lines, ElementsAre("start gpu-1", "skip gpu-1",
                                           "start gpu-2", "skip gpu-2"));
}

TEST_F(Walking, StopsAtTheFirstBadNodeAndGoesOnFromThere) {
  bringer_status_ = kFailed;
  const WalkOutcome outcome = walk();
  EXPECT_EQ(outcome.end, End::kBadNode);
  EXPECT_EQ(outcome.node, "gpu-1");
  EXPECT_EQ(outcome.words, "failed: apt said no");
  EXPECT_THAT(outcome.next,
              AllOf(HasSubstr("kubectl -n gpunode-rollout logs bring-gpu-1"),
                    HasSubstr("the same command"),
                    HasSubstr("kubectl uncordon gpu-1")));
  EXPECT_TRUE(is_cordoned("gpu-1"));
  EXPECT_THAT(annotation("gpu-1", kRolloutAnnotation),
              HasSubstr("apt said no"));
  EXPECT_EQ(annotation("gpu-2", kRolloutAnnotation), "");
  EXPECT_FALSE(is_cordoned("gpu-2"));
  // Its log can still be read.
  EXPECT_NE(server_.object(kBringPods + "bring-gpu-1"), "");
  bringer_status_ = kReady;
  EXPECT_EQ(walk().end, End::kDone);
  EXPECT_EQ(pods_made_, 3);  // One is one attempt.
  EXPECT_THAT(recorder_.lines, Contains("tries again"));
  expect_all_done();
}

TEST_F(Walking, WhatOthersUncordonedMeanwhileIsDrainedAnew) {
  bringer_status_ = kFailed;
  ASSERT_EQ(walk().end, End::kBadNode);
  json open = seen("gpu-1");
  open["spec"].erase("unschedulable");
  server_.put(kNodes + "gpu-1", open.dump());
  pod("gpu-1", "web-2", R"([{"kind":"ReplicaSet","controller":true}])");
  bringer_status_ = kReady;
  EXPECT_EQ(walk().end, End::kDone);
  EXPECT_EQ(server_.object("/api/v1/namespaces/default/pods/web-2"), "");
  expect_all_done();
}

TEST_F(Walking, AMarkThatSomebodyTookAwayIsNotFinished) {
  bool is_given_up = false;
  on_pause_ = [&] {
    const std::string mark = annotation("gpu-1", kRolloutAnnotation);
    if (is_given_up || mark.empty()) return;
    json object = seen("gpu-1");
    is_given_up = mark.find("checking") != std::string::npos;
    // By hand, and it stays cordoned for work of their own.
    if (is_given_up)
      object["metadata"]["annotations"].erase(kRolloutAnnotation);
    object["status"]["allocatable"]["nvidia.com/gpu"] = is_given_up ? "2" : "1";
    server_.put(kNodes + "gpu-1", object.dump());
  };
  const WalkOutcome outcome = walk({"gpu-1"});
  EXPECT_EQ(outcome.end, End::kTrouble);
  EXPECT_THAT(outcome.words, HasSubstr("somebody else has changed"));
  EXPECT_TRUE(is_cordoned("gpu-1"));
  EXPECT_EQ(annotation("gpu-1", kRolledOutAnnotation), "");
}

TEST_F(Walking, StoppedInAnyPauseIsGoneOnWith) {
  for (int pauses = 0;; ++pauses) {
    for (const char* name : {"gpu-1", "gpu-2"}) node(name);
    pod("gpu-1", "web-1", R"([{"kind":"ReplicaSet","controller":true}])");
    pauses_ = pauses + 1;
    const WalkOutcome first = walk();
    pauses_ = 100000;
    if (first.end == End::kDone) break;
    EXPECT_EQ(first.end, End::kStopped) << pauses;
    EXPECT_THAT(first.next, HasSubstr("the same command"));
    EXPECT_EQ(walk().end, End::kDone) << pauses;
    expect_all_done();
    ASSERT_LT(pauses, 100);
  }
}

/// Before and after a request that was not answered.
class WalkingCut : public Walking, public testing::WithParamInterface<bool> {};

TEST_P(WalkingCut, AtAnyRequestIsGoneOnWithToTheSameEnd) {
  unsigned passed = 0;
  for (;; ++passed) {
    node("gpu-1");
    node("gpu-2", true);
    pod("gpu-1", "web-1", R"([{"kind":"ReplicaSet","controller":true}])");
    controllers();
    // From there on there is no server any more for this walk: it is as killed.
    options_.api_timeout = std::chrono::seconds(0);
    server_.be_cut_off(passed, GetParam());
    const WalkOutcome first = walk();
    server_.reset_connections(0);
    options_.api_timeout = std::chrono::minutes(5);
    if (first.end == End::kDone) break;
    EXPECT_EQ(first.end, End::kTrouble) << passed << ": " << first.words;
    const WalkOutcome second = walk();
    EXPECT_EQ(second.end, End::kDone) << passed << ": " << second.words;
    EXPECT_FALSE(is_cordoned("gpu-1")) << passed;
    EXPECT_TRUE(is_cordoned("gpu-2")) << passed;
    for (const char* name : {"gpu-1", "gpu-2"}) {
      EXPECT_EQ(annotation(name, kRolledOutAnnotation), kDigest) << passed;
      EXPECT_EQ(annotation(name, kRolloutAnnotation), "") << passed;
      EXPECT_EQ(label(name), "") << passed;
    }
    EXPECT_EQ(server_.object("/api/v1/namespaces/default/pods/web-1"), "");
    EXPECT_NE(server_.object("/api/v1/namespaces/default/pods/proxy-1"), "");
    EXPECT_EQ(lease()["spec"].value("holderIdentity", ""), "") << passed;
    ASSERT_LT(passed, 200U);
  }
  // Each node was looked at, drained, brought to, checked and finished.
  EXPECT_GT(passed, 20U);
}

INSTANTIATE_TEST_SUITE_P(Before, WalkingCut, testing::Values(false));
INSTANTIATE_TEST_SUITE_P(After, WalkingCut, testing::Values(true));

TEST_F(Walking, LeavesACordonThatWasThereBefore) {
  node("gpu-2", true);
  EXPECT_EQ(walk().end, End::kDone);
  EXPECT_TRUE(is_cordoned("gpu-2"));
  EXPECT_FALSE(is_cordoned("gpu-1"));
  EXPECT_THAT(recorder_.lines, Contains("stays cordoned, as it was before"));
}

TEST_F(Walking, ANodeThatOffersFewerGpusIsBad) {
  on_pause_ = [&] {
    if (label("gpu-1").empty()) return;
    json object = seen("gpu-1");
    object["status"]["allocatable"]["nvidia.com/gpu"] = "1";
    server_.put(kNodes + "gpu-1", object.dump());
    on_pause_ = nullptr;
  };
  const WalkOutcome outcome = walk();
  EXPECT_EQ(outcome.end, End::kBadNode);
  EXPECT_THAT(outcome.words, HasSubstr("offers 1 GPUs and offered 2"));
  EXPECT_TRUE(is_cordoned("gpu-1"));
  options_.allows_fewer_gpus = true;
  EXPECT_EQ(walk().end, End::kDone);
}

TEST_F(Walking, ANodeThatRebootsIsWaitedFor) {
  int pauses = 0;
  on_pause_ = [&] {
    if (label("gpu-1").empty() && pauses == 0) return;
    ++pauses;
    json object = seen("gpu-1");
    object["status"]["conditions"][0]["status"] =
        pauses < 60 ? "Unknown" : "True";
    server_.put(kNodes + "gpu-1", object.dump());
    if (pauses >= 60) on_pause_ = nullptr;
  };
  EXPECT_EQ(walk().end, End::kDone);
  EXPECT_THAT(recorder_.lines, Contains(StartsWith("waits it is not Ready")));
}

TEST_F(Walking, ATrialThatFailsIsABadNode) {
  std::vector<std::string> tried;
  options_.trial = [&](const std::string& name) -> Result<Complaint> {
    tried.push_back(name);
    if (tried.size() == 1) return Complaint("no PASSED");
    return Complaint();
  };
  const WalkOutcome outcome = walk();
  EXPECT_EQ(outcome.end, End::kBadNode);
  EXPECT_EQ(outcome.words, "no PASSED");
  EXPECT_EQ(walk().end, End::kDone);
  EXPECT_THAT(tried, ElementsAre("gpu-1", "gpu-1", "gpu-2"));
}

TEST_F(Walking, ATrialThatTellsNothingIsNoBadNode) {
  unsigned tries = 0;
  Error error(ErrorCode::kUnavailable, "connection refused");
  options_.trial = [&](const std::string&) -> Result<Complaint> {
    if (++tries <= 2) return error;
    return Complaint();
  };
  EXPECT_EQ(walk().end, End::kDone);
  EXPECT_THAT(recorder_.lines, Contains("waits connection refused"));

  // It stays away; or the credentials may make no Pod.
  for (const ErrorCode code :
       {ErrorCode::kUnavailable, ErrorCode::kPermissionDenied}) {
    node("gpu-1");
    node("gpu-2");
    tries = 0;
    error = Error(code, "no Pod for you");
    options_.trial = [&](const std::string&) -> Result<Complaint> {
      ++tries;
      return error;
    };
    const WalkOutcome outcome = walk();
    EXPECT_EQ(outcome.end, End::kTrouble);
    EXPECT_EQ(outcome.node, "gpu-1");
    EXPECT_EQ(outcome.words, "no Pod for you");
    EXPECT_EQ(tries > 1, code == ErrorCode::kUnavailable);
    // Nothing is held against the node, and the next walk asks again there.
    const auto mark = read_mark(annotation("gpu-1", kRolloutAnnotation));
    ASSERT_TRUE(mark);
    EXPECT_EQ(mark->phase, Phase::kChecking);
    EXPECT_EQ(mark->why, "");
    EXPECT_TRUE(is_cordoned("gpu-1"));
  }
}

TEST_F(Walking, APodThatNeverRunsIsABadNode) {
  bringer_status_ =
      R"({"containerStatuses":[{"state":{"waiting":{"reason":"ErrImagePull",)"
      R"("message":"no such host"}}}]})";
  const WalkOutcome outcome = walk();
  EXPECT_EQ(outcome.end, End::kBadNode);
  EXPECT_THAT(outcome.words, AllOf(HasSubstr("not within 900 s"),
                                   HasSubstr("ErrImagePull: no such host")));
}

TEST_F(Walking, WhatAnotherFilesRollOutLeftBehindIsTakenOver) {
  bringer_status_ = kFailed;
  ASSERT_EQ(walk().end, End::kBadNode);
  bringer_status_ = "{}";
  options_.manifest.digest = std::string(64, 'c');
  json before = seen("gpu-1");
  before["status"]["allocatable"]["nvidia.com/gpu"] = "0";
  server_.put(kNodes + "gpu-1", before.dump());
  pauses_ = 3;
  EXPECT_EQ(walk().end, End::kStopped);
  // What was remembered is still known, and the other file's Pod not wanted.
  const auto mark = read_mark(annotation("gpu-1", kRolloutAnnotation));
  ASSERT_TRUE(mark);
  EXPECT_EQ(mark->digest, options_.manifest.digest);
  EXPECT_EQ(mark->gpus, 2U);
  EXPECT_FALSE(mark->was_cordoned);
}

TEST_F(Walking, TheApiServerMayBeAwayForAWhile) {
  bool is_refusing = false;
  on_pause_ = [&] {
    if (std::exchange(is_refusing, true)) return;
    server_.refuse(503, "ServiceUnavailable", 7);
  };
  EXPECT_EQ(walk().end, End::kDone);
  EXPECT_THAT(recorder_.lines, Contains(HasSubstr("the API server says 503")));
  expect_all_done();
}

TEST_F(Walking, WhoMayNotIsToldSo) {
  server_.refuse(403, "Forbidden", 1, "", "PATCH");
  const WalkOutcome outcome = walk();
  EXPECT_EQ(outcome.end, End::kTrouble);
  EXPECT_THAT(outcome.next, HasSubstr("docs/security.md"));
  EXPECT_FALSE(is_cordoned("gpu-1"));
}

TEST_F(Walking, ANodeThatIsGoneEndsIt) {
  server_.remove(kNodes + "gpu-1");
  const WalkOutcome outcome = walk();
  EXPECT_EQ(outcome.end, End::kTrouble);
  EXPECT_EQ(outcome.node, "gpu-1");
  EXPECT_THAT(outcome.next, HasSubstr("kubectl get nodes"));
}

TEST_F(Walking, AMarkOfNobodysIsLeftAlone) {
  json object = seen("gpu-1");
  object["metadata"]["annotations"][kRolloutAnnotation] = "mine";
  server_.put(kNodes + "gpu-1", object.dump());
  EXPECT_EQ(walk().end, End::kRefused);
  EXPECT_EQ(annotation("gpu-1", kRolloutAnnotation), "mine");
}

TEST_F(Walking, ALostLeaseEndsIt) {
  bringer_status_ = "{}";
  on_pause_ = [&] {
    clock_.advance(std::chrono::seconds(20));
    server_.put(kLease, R"({"spec":{"holderIdentity":"ben"}})");
  };
  const WalkOutcome outcome = walk({"gpu-1"});
  EXPECT_EQ(outcome.end, End::kTrouble);
  EXPECT_THAT(outcome.words, HasSubstr("another's by now"));
  EXPECT_EQ(lease()["spec"]["holderIdentity"], "ben");
}

TEST_F(Walking, TheLeaseIsRenewedFromPodToPod) {
  constexpr int kPods = 12;
  for (int i = 0; i < kPods; ++i) {
    pod("gpu-1", fmt::format("slow-{}", i),
        R"([{"kind":"ReplicaSet","controller":true}])");
  }
  // An eviction may wait for webhooks: 30 s.
  on_pause_ = [&] { clock_.advance(std::chrono::seconds(30)); };
  EXPECT_EQ(walk({"gpu-1"}).end, End::kDone);
  EXPECT_GE(count("PUT " + kLease), static_cast<std::size_t>(kPods));
}

TEST_F(Walking, WhoseLeaseIsLostEvictsNoMorePods) {
  for (const char* name : {"slow-1", "slow-2", "slow-3"}) {
    pod("gpu-1", name, R"([{"kind":"ReplicaSet","controller":true}])");
  }
  on_pause_ = [&] {
    clock_.advance(std::chrono::seconds(30));
    if (server_.object("/api/v1/namespaces/default/pods/slow-1").empty()) {
      server_.put(kLease, R"({"spec":{"holderIdentity":"ben"}})");
    }
  };
  const WalkOutcome outcome = walk({"gpu-1"});
  EXPECT_EQ(outcome.end, End::kTrouble);
  EXPECT_THAT(outcome.words, HasSubstr("another's by now"));
  EXPECT_EQ(std::ranges::count_if(recorder_.lines,
                                  [](const std::string& line) {
                                    return line.starts_with("evicted");
                                  }),
            2);
}

TEST_F(Walking, AServerThatIsAwayForLongerThanTheLeaseIsComeBackTo) {
  // Nobody else can take it meanwhile, and it is renewed before anything else.
  bringer_status_ = "{}";
  const TimePoint begun = clock_.now();
  bool is_away = false;
  on_pause_ = [&] {
    const auto passed = clock_.now() - begun;
    const bool is_to_be =
        passed > std::chrono::seconds(30) && passed < std::chrono::seconds(230);
    if (is_to_be && !is_away) server_.reset_connections(1000000);
    if (!is_to_be && is_away) server_.reset_connections(0);
    is_away = is_to_be;
    if (passed > std::chrono::seconds(240)) bringer_status_ = kReady;
    if (passed > std::chrono::seconds(240) &&
        passed < std::chrono::seconds(242))
      server_.remove(kBringPods + "bring-gpu-1");
  };
  const WalkOutcome outcome = walk();
  EXPECT_EQ(outcome.end, End::kDone) << outcome.words;
  expect_all_done();
}

}  // namespace
}  // namespace gpunode::rollout
