#include "k8s/api/event.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "k8s/api/fixed_credentials.h"
#include "tests/doubles/apiserver/api_server_double.h"

namespace gpunode::kube {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;
using testing::StartsWith;
using Kind = EventSeries::Write::Kind;

EventText applied(const std::string& note = "it is in force") {
  return {{"v1", "Node", "", "gpu-1", "uid-1"},
          false,
          "ConfigApplied",
          "ApplyConfig",
          note};
}

const WallTime kWall = *parse_time("2026-01-01T00:00:00Z");

TEST(EventSeries, CountsTheSameWords) {
  EventSeries series;
  FakeClock clock;
  const auto first = series.occurred(applied(), clock.now(), kWall);
  EXPECT_EQ(first.kind, Kind::kCreate);
  clock.advance(seconds(1));
  EXPECT_EQ(series.occurred(applied(), clock.now(), kWall).kind, Kind::kNone);
  clock.advance(minutes(1));
  const auto third = series.occurred(applied(), clock.now(), kWall);
  EXPECT_EQ(third.kind, Kind::kCount);
  EXPECT_EQ(third.count, 3U);
  EXPECT_EQ(third.name, first.name);
  EXPECT_EQ(series.occurred(applied("other"), clock.now(), kWall).kind,
            Kind::kCreate);
  clock.advance(minutes(31));  // The server may have forgotten it.
  EXPECT_EQ(series.occurred(applied(), clock.now(), kWall).kind, Kind::kCreate);
}

TEST(EventSeries, AFlappingDayIsFewWrites) {
  EventSeries series;
  FakeClock clock;
  unsigned writes = 0;
  for (int second = 0; second < 3600; ++second) {
    clock.advance(seconds(1));
    const auto write = series.occurred(applied(), clock.now(), kWall);
    writes += write.kind == Kind::kNone ? 0 : 1;
  }
  EXPECT_LE(writes, 61U);
}

TEST(EventSeries, RemembersABoundedNumber) {
  EventSeries series;
  FakeClock clock;
  for (int i = 0; i < 1000; ++i) {
    clock.advance(std::chrono::milliseconds(1));
    series.occurred(applied(std::to_string(i)), clock.now(), kWall);
  }
  // The newest are known, the oldest are not.
  EXPECT_EQ(series.occurred(applied("999"), clock.now(), kWall).kind,
            Kind::kNone);
  EXPECT_EQ(series.occurred(applied("0"), clock.now(), kWall).kind,
            Kind::kCreate);
}

TEST(EventJson, IsAnEventOfV1) {
  EXPECT_EQ(
      event_json(applied(), {"gpunode.io/agent", "gpu-1"}, "gpu-1.a", kWall),
      R"({"action":"ApplyConfig","apiVersion":"events.k8s.io/v1",)"
      R"("eventTime":"2026-01-01T00:00:00.000000Z","kind":"Event",)"
      R"("metadata":{"name":"gpu-1.a","namespace":"default"},)"
      R"("note":"it is in force","reason":"ConfigApplied",)"
      R"("regarding":{"apiVersion":"v1","kind":"Node","name":"gpu-1",)"
      R"("namespace":"default","uid":"uid-1"},"reportingController":"gpunode.io/agent",)"
      R"("reportingInstance":"gpu-1","type":"Normal"})");
}

TEST(EventJson, ALongNoteIsCutBetweenCharacters) {
  const std::string json =
      event_json(applied(std::string(1023, 'x') + "\xc3\xa4"), {}, "n", kWall);
  EXPECT_THAT(json, HasSubstr(std::string(1023, 'x') + "\""));
}

class EventRecorderTest : public testing::Test {
 protected:
  EventRecorderTest()
      : credentials_(server_.port()),
        client_(credentials_, nullptr),
        recorder_(client_, {"gpunode.io/agent", "gpu-1"}, clock_,
                  [this] { return kWall + clock_.now().time_since_epoch(); }) {}

  ApiServerDouble server_;
  FixedCredentials credentials_;
  FakeClock clock_;
  Client client_;
  EventRecorder recorder_;
};

TEST_F(EventRecorderTest, WritesOneEventAndItsCount) {
  for (int i = 0; i < 3; ++i) {
    const auto recorded = recorder_.record(applied());
    ASSERT_TRUE(recorded) << recorded.error().message();
    clock_.advance(seconds(40));
  }
  EXPECT_THAT(
      server_.requests(),
      ElementsAre(
          "POST /apis/events.k8s.io/v1/namespaces/default/events",
          StartsWith(
              "PATCH "
              "/apis/events.k8s.io/v1/namespaces/default/events/gpu-1.")));
  EXPECT_THAT(server_.last_request(),
              HasSubstr(R"({"series":{"count":3,"lastObservedTime":)"));
}

TEST_F(EventRecorderTest, MakesAnotherWhenTheFirstIsGone) {
  ASSERT_TRUE(recorder_.record(applied()));
  clock_.advance(minutes(2));
  server_.refuse(404, "NotFound", 1);
  ASSERT_TRUE(recorder_.record(applied()));
  EXPECT_THAT(server_.requests(), SizeIs(3));
  EXPECT_THAT(server_.requests().back(), StartsWith("POST"));
}

TEST_F(EventRecorderTest, ALostEventIsTold) {
  server_.refuse(403, "Forbidden", 1);
  const auto recorded = recorder_.record(applied());
  ASSERT_FALSE(recorded);
  EXPECT_EQ(recorded.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_TRUE(recorder_.record(applied()));
}

}  // namespace
}  // namespace gpunode::kube
