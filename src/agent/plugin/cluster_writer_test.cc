#include "agent/plugin/cluster_writer.h"

#include <poll.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/core/driven_clock.h"
#include "base/text/json_edit.h"
#include "k8s/api/fixed_credentials.h"
#include "k8s/api/object_meta.h"
#include "tests/doubles/apiserver/api_server_double.h"
#include "tests/doubles/kubelet/plugin_directory.h"

namespace gpunode::plugin {
namespace {

using doubles::eventually;
using std::chrono::milliseconds;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using testing::StartsWith;
using testing::UnorderedElementsAre;

constexpr const char* kPath = "/api/v1/nodes/gpu-1";
constexpr const char* kFeature =
    "/apis/nfd.k8s-sigs.io/v1alpha1/namespaces/ns1/nodefeatures/"
    "nvidia-features-for-gpu-1";

class ClusterWriterTest : public testing::Test {
 protected:
  void SetUp() override {
    server_.put(kPath, R"({"apiVersion":"v1","kind":"Node","metadata":{
      "name":"gpu-1","uid":"u-1","labels":{"team":"a"}}})");
  }

  ~ClusterWriterTest() override { clock_.end(); }

  void start(bool is_overwriting = false) {
    writer_.reset();
    ClusterWriter::Settings settings = settings_;
    settings.node = "gpu-1";
    settings.is_overwriting = is_overwriting;
    settings.space = "ns1";
    settings.pod = "p1";
    settings.backoff = settings.denied = {milliseconds(1), milliseconds(2)};
    settings.look_soon = milliseconds(1);
    settings.client.tries = 1;
    auto made = ClusterWriter::start(
        std::move(settings),
        std::make_unique<kube::FixedCredentials>(server_.port()));
    ASSERT_TRUE(made) << made.error().message();
    writer_ = *std::move(made);
  }

  kube::ObjectMeta node() const {
    auto meta = kube::read_object_meta(server_.object(kPath));
    EXPECT_TRUE(meta) << meta.error().message();
    return *std::move(meta);
  }
  bool is_current() const {
    return eventually([this] { return writer_->status().is_current; });
  }
  bool has_problem(const std::string& words) const {
    return eventually([&] {
      return writer_->status().problem.find(words) != std::string::npos;
    });
  }
  std::size_t count(const std::string& method) const {
    std::size_t count = 0;
    for (const std::string& request : server_.requests()) {
      if (request.starts_with(method)) ++count;
    }
    return count;
  }

  kube::ApiServerDouble server_;
  DrivenClock clock_;
  ClusterWriter::Settings settings_;
  std::unique_ptr<ClusterWriter> writer_;
};

TEST_F(ClusterWriterTest, WritesWhatIsWishedAndTakesAwayWhatIsNot) {
  start();
  writer_->set_node_labels({{"x/a", "1"}, {"x/b", "2"}});
  ASSERT_TRUE(is_current());
  EXPECT_THAT(node().labels,
              UnorderedElementsAre(Pair("team", "a"), Pair("x/a", "1"),
                                   Pair("x/b", "2")));
  writer_->set_node_annotation("x/note", "n");
  writer_->set_node_labels({{"x/b", "3"}});
  ASSERT_TRUE(is_current());
  EXPECT_THAT(node().labels,
              UnorderedElementsAre(Pair("team", "a"), Pair("x/b", "3")));
  EXPECT_THAT(node().annotations, ElementsAre(Pair("x/note", "n")));
  writer_->set_node_annotation("x/note", std::nullopt);
  writer_->set_node_labels({});
  ASSERT_TRUE(is_current());
  EXPECT_THAT(node().labels, ElementsAre(Pair("team", "a")));
  EXPECT_TRUE(node().annotations.empty());
}

TEST_F(ClusterWriterTest, AnUnchangedWishIsNotWritten) {
  start();
  EXPECT_TRUE(server_.requests().empty());
  writer_->set_node_labels({{"x/a", "1"}});
  ASSERT_TRUE(is_current());
  EXPECT_THAT(server_.requests(),
              ElementsAre("GET /api/v1/nodes/gpu-1",
                          "PATCH /api/v1/nodes/gpu-1?fieldManager="
                          "gpunode-agent"));
  writer_->set_node_labels({{"x/a", "1"}});
  EXPECT_TRUE(writer_->status().is_current);
  // The next run reads, and finds nothing to do.
  start();
  writer_->set_node_labels({{"x/a", "1"}});
  ASSERT_TRUE(is_current());
  EXPECT_EQ(count("PATCH"), 1U);
  EXPECT_EQ(count("GET"), 2U);
  EXPECT_EQ(writer_->status().writes, 0U);
}

TEST_F(ClusterWriterTest, WhatIsReadAheadIsNotReadAgain) {
  settings_.is_reading_ahead = true;
  start();
  server_.wait_for_requests(1);
  EXPECT_THAT(server_.requests(), ElementsAre("GET /api/v1/nodes/gpu-1"));
  writer_->set_node_labels({{"x/a", "1"}});
  ASSERT_TRUE(is_current());
  EXPECT_EQ(count("GET"), 1U);
  EXPECT_EQ(count("PATCH"), 1U);
}

TEST_F(ClusterWriterTest, WhatWasReadLongAheadIsReadAgain) {
  settings_.is_reading_ahead = true;
  settings_.clock = &clock_;
  start();
  clock_.wait_for_waiters(1);
  clock_.advance_to(clock_.now() + std::chrono::minutes(1));
  writer_->set_node_labels({{"x/a", "1"}});
  ASSERT_TRUE(is_current());
  EXPECT_EQ(count("GET"), 2U);
}

TEST_F(ClusterWriterTest, WhatCannotBeReadAheadIsNoProblemYet) {
  server_.refuse(403, "Forbidden", 1);
  settings_.is_reading_ahead = true;
  settings_.clock = &clock_;
  start();
  clock_.wait_for_waiters(1);
  EXPECT_EQ(writer_->status().failures, 0U);
  writer_->set_node_labels({{"x/a", "1"}});
  ASSERT_TRUE(is_current());
}

TEST_F(ClusterWriterTest, LabelsTakeAlongWhatWaitsForThem) {
  settings_.gather = milliseconds(500);
  settings_.clock = &clock_;
  start();
  writer_->record({{}, false, "ConfigApplied", "ApplyConfig", "n"});
  writer_->set_node_annotation("x/note", "n");
  clock_.wait_for_waiters(1);
  EXPECT_TRUE(server_.requests().empty());
  writer_->set_node_labels({{"x/a", "1"}});
  ASSERT_TRUE(eventually([this] { return writer_->status().events == 1; }));
  EXPECT_THAT(node().annotations, ElementsAre(Pair("x/note", "n")));
  EXPECT_THAT(
      server_.requests(),
      ElementsAre(StartsWith("GET"), StartsWith("PATCH"), StartsWith("POST")));
}

TEST_F(ClusterWriterTest, WhatWaitsForNothingGoesByItself) {
  settings_.gather = milliseconds(500);
  settings_.clock = &clock_;
  start();
  for (const char* text : {"n", "m"}) {
    writer_->set_node_annotation("x/note", text);
    writer_->record({{}, false, "R", "A", text});
    // It may still have to notice; then it waits for just that long.
    const TimePoint until = clock_.now() + milliseconds(500);
    ASSERT_TRUE(eventually([&] { return clock_.next() == until; }));
    clock_.advance_to(until);
    ASSERT_TRUE(is_current());
    EXPECT_THAT(node().annotations, ElementsAre(Pair("x/note", text)));
  }
  EXPECT_TRUE(eventually([this] { return writer_->status().events == 2; }));
}

TEST_F(ClusterWriterTest, UntilLabelsAreKnownThoseOfBeforeStay) {
  start();
  writer_->set_node_labels({{"x/a", "1"}});
  writer_->set_node_annotation("x/old", "o");
  ASSERT_TRUE(is_current());
  start();
  writer_->set_node_annotation("x/note", "n");
  ASSERT_TRUE(is_current());
  EXPECT_THAT(node().labels, Contains(Pair("x/a", "1")));
  EXPECT_THAT(node().annotations,
              ElementsAre(Pair("x/note", "n"), Pair("x/old", "o")));
}

TEST_F(ClusterWriterTest, LeavesTheLabelsOfOthersUnlessTold) {
  start();
  writer_->set_node_labels({{"team", "b"}, {"x/a", "1"}});
  ASSERT_TRUE(is_current());
  EXPECT_THAT(node().labels,
              UnorderedElementsAre(Pair("team", "a"), Pair("x/a", "1")));
  EXPECT_THAT(writer_->status().left_alone,
              ElementsAre(StartsWith("label team is \"a\"")));
  start(true);
  writer_->set_node_labels({{"team", "b"}, {"x/a", "1"}});
  ASSERT_TRUE(is_current());
  EXPECT_THAT(node().labels, Contains(Pair("team", "b")));
  EXPECT_TRUE(writer_->status().left_alone.empty());
}

TEST_F(ClusterWriterTest, AConflictIsLookedAtAgain) {
  start();
  writer_->set_node_labels({{"x/a", "1"}});
  ASSERT_TRUE(is_current());
  server_.refuse(409, "Conflict", 1);
  writer_->set_node_labels({{"x/a", "2"}});
  ASSERT_TRUE(is_current());
  EXPECT_THAT(node().labels, Contains(Pair("x/a", "2")));
  EXPECT_EQ(count("GET"), 2U);
  EXPECT_EQ(writer_->status().failures, 0U);
}

TEST_F(ClusterWriterTest, ANodeMadeAnewIsLabelledAgain) {
  start();
  writer_->set_node_labels({{"x/a", "1"}});
  ASSERT_TRUE(is_current());
  server_.remove(kPath);
  server_.put(kPath, R"({"metadata":{"name":"gpu-1","uid":"u-2"}})");
  writer_->look_again();
  EXPECT_TRUE(eventually([this] { return node().labels.contains("x/a"); }));
}

TEST_F(ClusterWriterTest, MakesNoNode) {
  start();
  writer_->set_node_labels({{"x/a", "1"}});
  ASSERT_TRUE(is_current());
  server_.remove(kPath);
  writer_->set_node_labels({{"x/a", "2"}});
  ASSERT_TRUE(has_problem("404"));
  EXPECT_EQ(server_.object(kPath), "");
  SetUp();
  EXPECT_TRUE(is_current());
  EXPECT_THAT(node().labels, Contains(Pair("x/a", "2")));
}

TEST_F(ClusterWriterTest, WithoutRightsTheRuleIsTold) {
  start();
  server_.refuse(403, "Forbidden", 1'000'000);
  writer_->set_node_labels({{"x/a", "1"}});
  ASSERT_TRUE(has_problem("403"));
  EXPECT_THAT(writer_->status().problem,
              HasSubstr(R"({apiGroups: [""], resources: [nodes], )"
                        R"(resourceNames: [gpu-1], verbs: [get, patch]})"));
  server_.refuse(0, "", 0);
  EXPECT_TRUE(is_current());
  EXPECT_EQ(writer_->status().problem, "");
  EXPECT_GT(writer_->status().failures, 0U);
}

TEST_F(ClusterWriterTest, AServerThatWasAwayGetsTheLastWish) {
  start();
  server_.refuse(500, "InternalError", 1'000'000);
  writer_->set_node_labels({{"x/a", "1"}});
  ASSERT_TRUE(has_problem("500"));
  writer_->set_node_labels({{"x/a", "2"}});
  EXPECT_FALSE(writer_->status().is_current);
  // The try in progress may still be for the first wish; the next is not.
  const std::uint64_t failures = writer_->status().failures;
  ASSERT_TRUE(
      eventually([&] { return writer_->status().failures >= failures + 2; }));
  server_.refuse(0, "", 0);
  ASSERT_TRUE(is_current());
  EXPECT_THAT(node().labels, Contains(Pair("x/a", "2")));
  EXPECT_EQ(count("PATCH"), 1U);
}

TEST_F(ClusterWriterTest, ASilentServerHoldsNobodyUp) {
  start();
  server_.be_silent(true);
  writer_->set_node_labels({{"x/a", "1"}});
  server_.wait_for_requests(1);
  writer_->set_node_labels({{"x/a", "2"}});
  EXPECT_FALSE(writer_->status().is_current);
  writer_.reset();
  server_.be_silent(false);
}

kube::LabelLoan loan(bool is_giving_back = false) {
  return {{"x/deploy"}, "false", "x/taken", "paused-for-", is_giving_back};
}

void put_node(kube::ApiServerDouble& server, const std::string& deploy) {
  server.put(kPath, R"({"apiVersion":"v1","kind":"Node","metadata":{
      "name":"gpu-1","uid":"u-1","labels":{"x/deploy":")" +
                        deploy + R"("}}})");
}

TEST_F(ClusterWriterTest, LendsALabelBesideItsOwnAndGivesItBack) {
  put_node(server_, "true");
  start();
  writer_->set_node_labels({{"x/a", "1"}});
  writer_->set_loan(loan());
  ASSERT_TRUE(is_current());
  EXPECT_THAT(node().labels, UnorderedElementsAre(Pair("x/a", "1"),
                                                  Pair("x/deploy", "false")));
  EXPECT_THAT(node().annotations,
              ElementsAre(Pair("x/taken", R"({"x/deploy":"true"})")));
  EXPECT_EQ(writer_->node()->labels.at("x/deploy").value, "false");
  ASSERT_TRUE(eventually([this] { return writer_->status().events == 1; }));
  EXPECT_THAT(
      server_.last_request(),
      AllOf(HasSubstr(R"("reason":"TookOver")"),
            HasSubstr(R"(label x/deploy is \"false\" now, was \"true\")")));
  // Labels that are written anew leave it where it is; the next run as well.
  writer_->set_node_labels({{"x/a", "2"}});
  ASSERT_TRUE(is_current());
  start();
  writer_->set_loan(loan());
  ASSERT_TRUE(is_current());
  EXPECT_EQ(writer_->status().writes, 0U);
  EXPECT_THAT(node().labels, Contains(Pair("x/deploy", "false")));
  writer_->set_loan(loan(true));
  ASSERT_TRUE(is_current());
  EXPECT_THAT(node().labels,
              UnorderedElementsAre(Pair("x/a", "2"), Pair("x/deploy", "true")));
  EXPECT_TRUE(node().annotations.empty());
}

TEST_F(ClusterWriterTest, ALoanWaitsForWorkInProgressAndLooksSoon) {
  put_node(server_, "paused-for-driver-upgrade");
  start();
  writer_->set_loan(loan());
  ASSERT_TRUE(is_current());
  EXPECT_THAT(writer_->status().waiting,
              ElementsAre(HasSubstr("paused-for-driver-upgrade")));
  put_node(server_, "true");
  EXPECT_TRUE(
      eventually([this] { return node().labels.at("x/deploy") == "false"; }));
}

TEST_F(ClusterWriterTest, ALoanWithoutLabelsTellsWhetherTheyMayCome) {
  start();
  kube::LabelLoan unknown = loan();
  unknown.maker = kube::ResourceType{"nvidia.com", "v1", "clusterpolicies"};
  writer_->set_loan(unknown);
  ASSERT_TRUE(is_current());
  EXPECT_TRUE(writer_->status().waiting.empty());
  kube::LabelLoan known = loan();
  known.maker = kube::ResourceType{"events.k8s.io", "v1", "events"};
  writer_->set_loan(known);
  ASSERT_TRUE(is_current());
  EXPECT_THAT(writer_->status().waiting,
              ElementsAre(HasSubstr("knows events.events.k8s.io")));
  EXPECT_EQ(writer_->status().writes, 0U);
}

TEST_F(ClusterWriterTest, ALoanThatMeetsAConflictLooksAgain) {
  put_node(server_, "true");
  start();
  writer_->set_node_labels({{"x/a", "1"}});
  ASSERT_TRUE(is_current());
  server_.refuse(409, "Conflict", 1);
  writer_->set_loan(loan());
  ASSERT_TRUE(is_current());
  EXPECT_EQ(node().labels.at("x/deploy"), "false");
  EXPECT_EQ(count("GET"), 2U);
  EXPECT_EQ(writer_->status().failures, 0U);
}

TEST_F(ClusterWriterTest, RecordsEventsAboutTheNode) {
  start();
  writer_->record({{}, true, "ConfigRefused", "ApplyConfig", "why"});
  ASSERT_TRUE(eventually([this] { return writer_->status().events == 1; }));
  EXPECT_THAT(
      server_.last_request(),
      AllOf(StartsWith("POST /apis/events.k8s.io/v1/namespaces/default/events"),
            HasSubstr(R"("regarding":{"apiVersion":"v1","kind":"Node",)"
                      R"("name":"gpu-1","namespace":"default","uid":"gpu-1"})"),
            HasSubstr(R"("type":"Warning")")));
}

TEST_F(ClusterWriterTest, EventsWaitForTheServerAndTheOldestMakeRoom) {
  start();
  server_.refuse(500, "InternalError", 1'000'000);
  for (std::size_t i = 0; i < ClusterWriter::kMaxEvents + 8; ++i) {
    writer_->record({{}, false, "R" + std::to_string(i), "A", "n"});
  }
  server_.wait_for_requests(3);
  EXPECT_GE(writer_->status().events_lost, 7U);
  server_.refuse(0, "", 0);
  EXPECT_TRUE(eventually([this] {
    const ClusterStatus status = writer_->status();
    return status.events + status.events_lost == ClusterWriter::kMaxEvents + 8;
  }));
}

TEST_F(ClusterWriterTest, AnEventThatIsRefusedForItselfIsLost) {
  start();
  server_.refuse(422, "Invalid", 1);
  writer_->record({{}, false, "R", "A", "n"});
  writer_->record({{}, false, "S", "A", "n"});
  EXPECT_TRUE(eventually([this] {
    const ClusterStatus status = writer_->status();
    return status.events == 1 && status.events_lost == 1;
  }));
}

TEST_F(ClusterWriterTest, KeepsTheNodeFeature) {
  start();
  writer_->set_node_feature({{"x/a", "1"}});
  ASSERT_TRUE(is_current());
  EXPECT_THAT(server_.object(kFeature), HasSubstr(R"("labels":{"x/a":"1"})"));
  writer_->set_node_feature({{"x/a", "1"}});
  EXPECT_TRUE(writer_->status().is_current);
  EXPECT_EQ(writer_->status().writes, 1U);
  writer_->set_node_feature({});
  ASSERT_TRUE(is_current());
  EXPECT_THAT(server_.object(kFeature), HasSubstr(R"("labels":{})"));
  EXPECT_EQ(count("PUT"), 1U);
  EXPECT_TRUE(node().labels.contains("team"));
  EXPECT_EQ(count("PATCH"), 0U);
}

TEST_F(ClusterWriterTest, ANodeFeatureThatIsGoneIsMadeAgain) {
  start();
  writer_->set_node_feature({{"x/a", "1"}});
  ASSERT_TRUE(is_current());
  server_.remove(kFeature);
  writer_->look_again();
  EXPECT_TRUE(eventually([this] { return server_.object(kFeature) != ""; }));
}

TEST_F(ClusterWriterTest, TheNodeIsWrittenWhileItsNodeFeatureIsRefused) {
  start();
  server_.have_node_features(false);
  writer_->set_node_feature({{"x/a", "1"}});
  ASSERT_TRUE(has_problem("CRD is not installed"));
  writer_->set_node_annotation("x/note", "n");
  EXPECT_TRUE(
      eventually([this] { return node().annotations.contains("x/note"); }));
  EXPECT_FALSE(writer_->status().is_current);
  EXPECT_THAT(writer_->status().problem, HasSubstr("CRD is not installed"));
  server_.have_node_features(true);
  EXPECT_TRUE(is_current());
  EXPECT_EQ(writer_->status().problem, "");
}

TEST_F(ClusterWriterTest, WithoutRightsTheRuleOfTheNodeFeatureIsTold) {
  start();
  server_.refuse(403, "Forbidden", 1'000'000, "", "POST");
  writer_->set_node_feature({{"x/a", "1"}});
  ASSERT_TRUE(has_problem("403"));
  EXPECT_THAT(writer_->status().problem,
              HasSubstr("lacks the Role rule {apiGroups: [nfd.k8s-sigs.io], "
                        "resources: [nodefeatures], verbs: [get, create, "
                        "update]} in namespace ns1"));
  server_.refuse(0, "", 0);
  EXPECT_TRUE(is_current());
}

TEST_F(ClusterWriterTest, ConnectionsThatAreResetAreTriedAgain) {
  start();
  server_.reset_connections(6);
  writer_->set_node_feature({{"x/a", "1"}});
  writer_->set_node_labels({{"x/a", "1"}});
  EXPECT_TRUE(is_current());
  EXPECT_THAT(server_.object(kFeature), HasSubstr(R"("x/a":"1")"));
}

TEST_F(ClusterWriterTest, SaysWhenATryHasEnded) {
  start();
  pollfd news{writer_->news_fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&news, 1, 0), 0);
  server_.refuse(500, "InternalError", 1);
  writer_->set_node_feature({{"x/a", "1"}});
  EXPECT_EQ(::poll(&news, 1, -1), 1);
  ASSERT_TRUE(is_current());
  writer_->take_news();
}

TEST(ClusterWriterStart, RefusesWhatIsNoNode) {
  ClusterWriter::Settings settings;
  settings.node = "../x";
  EXPECT_FALSE(ClusterWriter::start(
      settings, std::make_unique<kube::FixedCredentials>(1)));
  settings.node = "x";
  settings.space = "../x";
  EXPECT_FALSE(ClusterWriter::start(
      settings, std::make_unique<kube::FixedCredentials>(1)));
}

}  // namespace
}  // namespace gpunode::plugin
