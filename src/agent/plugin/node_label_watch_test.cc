#include "agent/plugin/node_label_watch.h"

#include <poll.h>

#include <deque>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "k8s/api/fixed_credentials.h"
#include "tests/doubles/apiserver/api_server_double.h"

namespace gpunode::plugin {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;
using End = kube::ApiServerDouble::End;

constexpr const char* kPath = "/api/v1/nodes/gpu-1";

std::string node(const std::string& labels) {
  return R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"gpu-1",)"
         R"("uid":"u","labels":{)" +
         labels + "}}}";
}

std::string chosen(const std::string& value) {
  return node(R"("config":")" + value + R"(")");
}

class NodeLabelWatchTest : public testing::Test {
 protected:
  void start(const std::string& token = "", const std::string& next = "") {
    NodeLabelWatch::Settings settings;
    settings.node = "gpu-1";
    settings.label = "config";
    settings.backoff = {milliseconds(1), milliseconds(2)};
    settings.client.tries = 1;
    settings.client.limits.answer = answer_;
    auto credentials =
        std::make_unique<kube::FixedCredentials>(server_.port(), token);
    credentials->next_token = next.empty() ? token : next;
    auto made =
        NodeLabelWatch::start(std::move(settings), std::move(credentials));
    ASSERT_TRUE(made) << made.error().message();
    watch_ = *std::move(made);
  }

  /// The next news as text; empty when none comes.
  std::string next() {
    if (news_.empty()) {
      pollfd fd{watch_->news().fd(), POLLIN, 0};
      if (::poll(&fd, 1, 20'000) <= 0) return "";
      for (LabelNews& one : watch_->news().take()) {
        news_.push_back(std::move(one));
      }
    }
    const LabelNews one = std::move(news_.front());
    news_.pop_front();
    if (const auto* seen = std::get_if<LabelSeen>(&one)) {
      return "seen " + seen->value;
    }
    return "trouble " + std::get<LabelTrouble>(one).why;
  }
  /// The next that is no trouble: how a fault shows is a matter of moments.
  std::string next_seen() {
    for (;;) {
      std::string one = next();
      if (one.empty() || one.starts_with("seen")) return one;
    }
  }
  void start_with(const std::string& value) {
    server_.put(kPath, chosen(value));
    start();
    ASSERT_EQ(next(), "seen " + value);
    server_.wait_for_watches(1);
  }

  kube::ApiServerDouble server_;
  /// On a busy machine a late answer is no trouble that a test wants.
  milliseconds answer_{20'000};
  std::unique_ptr<NodeLabelWatch> watch_;
  std::deque<LabelNews> news_;
};

TEST_F(NodeLabelWatchTest, TellsTheLabelAndItsChangesAlone) {
  start_with("a");
  EXPECT_THAT(server_.last_request(), HasSubstr("PartialObjectMetadata"));
  server_.put(kPath, node(R"("config":"a","other":"x")"));
  server_.put("/api/v1/nodes/gpu-2",
              R"({"metadata":{"name":"gpu-2","labels":{"config":"z"}}})");
  server_.put(kPath, chosen("b"));
  EXPECT_EQ(next(), "seen b");
  server_.put(kPath, node(""));
  EXPECT_EQ(next(), "seen ");
}

TEST_F(NodeLabelWatchTest, AMissingNodeIsNoLabelThatWasTakenAway) {
  start();
  EXPECT_THAT(next(), AllOf(StartsWith("trouble "), HasSubstr("--node-name")));
  server_.put(kPath, chosen("a"));
  EXPECT_EQ(next(), "seen a");
  server_.remove(kPath);
  EXPECT_THAT(next(), HasSubstr("the cluster has no node \"gpu-1\""));
  server_.put(kPath, chosen("a"));
  EXPECT_EQ(next(), "seen a");
}

TEST_F(NodeLabelWatchTest, ARefusalNamesTheMissingRuleOnce) {
  server_.put(kPath, chosen("a"));
  server_.refuse(403, "Forbidden", 5);
  start();
  EXPECT_THAT(next(),
              AllOf(StartsWith("trouble "), HasSubstr("403 Forbidden"),
                    HasSubstr("ClusterRole rule {apiGroups: [\"\"], resources: "
                              "[nodes], verbs: [list, watch]}")));
  EXPECT_EQ(next(), "seen a");
}

TEST_F(NodeLabelWatchTest, ATokenThatExpiresIsToldUntilItIsRenewed) {
  server_.put(kPath, chosen("a"));
  server_.require_token("new");
  start("old", "old");
  EXPECT_THAT(next(), AllOf(StartsWith("trouble "), HasSubstr("401")));
  server_.require_token("old");  // As good as a new one of ours.
  EXPECT_EQ(next(), "seen a");
}

TEST_F(NodeLabelWatchTest, ATokenThatWasRenewedIsTakenWithoutATrouble) {
  server_.put(kPath, chosen("a"));
  server_.require_token("new");
  start("old", "new");
  EXPECT_EQ(next(), "seen a");
}

TEST_F(NodeLabelWatchTest, WhatChangedWhileNobodyListenedIsSeen) {
  start_with("a");
  server_.refuse(503, "ServiceUnavailable", 20);
  server_.end_watches(End::kReset);
  EXPECT_THAT(next(), StartsWith("trouble "));
  server_.put(kPath, chosen("b"));
  EXPECT_EQ(next_seen(), "seen b");
}

TEST_F(NodeLabelWatchTest, ATroubleThatPassedIsSaidThoughNothingChanged) {
  start_with("a");
  server_.end_watches(End::kReset);
  EXPECT_THAT(next(), StartsWith("trouble "));
  server_.wait_for_watches(2);
  server_.send_to_watches(
      R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"777"}}})"
      "\n");
  EXPECT_EQ(next_seen(), "seen a");
}

TEST_F(NodeLabelWatchTest, AServerThatForgotIsAskedAnew) {
  start_with("a");
  server_.forget_history();
  server_.end_watches(End::kGone);
  EXPECT_THAT(next(), HasSubstr("410"));
  EXPECT_EQ(next_seen(), "seen a");
  server_.put(kPath, chosen("b"));
  EXPECT_EQ(next_seen(), "seen b");
}

TEST_F(NodeLabelWatchTest, AServerThatHangsIsToldAndAskedAgain) {
  server_.put(kPath, chosen("a"));
  server_.be_silent(true);
  answer_ = milliseconds(200);
  start();
  EXPECT_THAT(next(), StartsWith("trouble "));
  server_.be_silent(false);
  EXPECT_EQ(next_seen(), "seen a");
}

TEST_F(NodeLabelWatchTest, NonsenseIsNoLabel) {
  start_with("a");
  server_.send_to_watches(
      R"({"type":"MODIFIED","object":{"metadata":{"name":"gpu-1",)"
      R"("labels":["config"]}}})"
      "\n");
  EXPECT_THAT(next(), StartsWith("trouble "));
  // It is asked anew, whenever that is.
  EXPECT_EQ(next_seen(), "seen a");
  server_.put(kPath, chosen("b"));
  EXPECT_EQ(next_seen(), "seen b");
}

TEST_F(NodeLabelWatchTest, ANameThatIsNoneIsRefusedAtOnce) {
  NodeLabelWatch::Settings settings;
  settings.node = "a/b";
  EXPECT_FALSE(NodeLabelWatch::start(
      settings, std::make_unique<kube::FixedCredentials>(server_.port())));
}

TEST_F(NodeLabelWatchTest, EndsWhileTheServerIsSilent) {
  server_.be_silent(true);
  start();
  server_.wait_for_requests(1);
  watch_.reset();
}

}  // namespace
}  // namespace gpunode::plugin
