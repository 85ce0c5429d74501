#include "k8s/api/lease.h"

#include <functional>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "k8s/api/fixed_credentials.h"
#include "tests/doubles/apiserver/api_server_double.h"

namespace gpunode::kube {
namespace {

using std::chrono::seconds;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const ObjectKey kKey{"gpunode-rollout", "rollout"};
constexpr const char* kPath =
    "/apis/coordination.k8s.io/v1/namespaces/gpunode-rollout/leases/rollout";

ClientOptions once() {
  ClientOptions options;
  options.tries = 1;
  return options;
}

class LeaseHolding : public testing::Test {
 protected:
  LeaseHolder holder(const std::string& name) {
    return {client_, kKey, {name, {}}, clock_, [this] { return wall_; }};
  }
  Lease now() const { return *read_lease(server_.object(kPath)); }
  void pass(seconds time) {
    clock_.advance(time);
    wall_ += time;
  }
  /// Waits by looking every `kStep`, while `others` do what they do.
  LeaseHolder::Await watching(std::function<void()> others = {}) {
    return [this, others](const Lease&, seconds left) {
      left_.push_back(left);
      pass(kStep);
      if (others) others();
      return true;
    };
  }
  /// Who does not wait.
  static bool never(const Lease&, seconds) { return false; }

  static constexpr seconds kStep{5};
  ApiServerDouble server_;
  FixedCredentials credentials_{server_.port()};
  Client client_{credentials_, nullptr, once()};
  FakeClock clock_;
  WallTime wall_ = *parse_time("2026-11-29T12:00:00Z");
  std::vector<seconds> left_;
};

TEST_F(LeaseHolding, IsOnesAloneAndTellsWhose) {
  LeaseHolder ann = holder("ann@desk");
  ASSERT_TRUE(ann.take(never));
  EXPECT_EQ(now().holder, "ann@desk");
  const auto second = holder("ben@lap").take(never);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::kAlreadyExists);
  EXPECT_THAT(second.error().message(),
              AllOf(HasSubstr("ann@desk has begun"), HasSubstr("120 s")));
  ann.release();
  EXPECT_EQ(now().holder, "");
  EXPECT_TRUE(holder("ben@lap").take(never));
}

TEST_F(LeaseHolding, OfOneThatLivesIsRefusedAtItsFirstRenewal) {
  LeaseHolder ann = holder("ann@desk");
  ASSERT_TRUE(ann.take(never));
  const auto second =
      holder("ben@lap").take(watching([&] { EXPECT_TRUE(ann.renew()); }));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::kAlreadyExists);
  EXPECT_THAT(second.error().message(),
              HasSubstr("ann@desk is at work in this cluster and was heard"));
  EXPECT_THAT(left_, ElementsAre(seconds(120), seconds(115), seconds(110)));
  EXPECT_EQ(now().holder, "ann@desk");
}

TEST_F(LeaseHolding, IsTakenWhenItWasSeenUnchangedForItsDuration) {
  LeaseHolder ann = holder("ann@desk");
  ASSERT_TRUE(ann.take(never));
  // What passed before somebody looked does not count.
  pass(std::chrono::hours(5));
  const TimePoint begun = clock_.now();
  ASSERT_TRUE(holder("ben@lap").take(watching()));
  EXPECT_EQ(clock_.now() - begun, LeaseHolder::kDuration);
  // Who was taken over from learns it, and takes nothing back by itself.
  const auto lost = ann.renew();
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code(), ErrorCode::kAlreadyExists);
  EXPECT_FALSE(ann.renew());
  ann.release();
  EXPECT_EQ(now().holder, "ben@lap");
}

TEST_F(LeaseHolding, IsNotJudgedByAnybodysClock) {
  LeaseHolder ann = holder("ann@desk");
  ASSERT_TRUE(ann.take(never));
  for (const auto ahead : {std::chrono::hours(24), std::chrono::hours(-24)}) {
    LeaseHolder ben(client_, kKey, {"ben@lap", {}}, clock_,
                    [this, ahead] { return wall_ + ahead; });
    EXPECT_FALSE(ben.take(watching([&] { EXPECT_TRUE(ann.renew()); })));
    EXPECT_EQ(now().holder, "ann@desk");
  }
}

TEST_F(LeaseHolding, OfTheFarFutureEndsAsAnyOther) {
  for (const char* renewed :
       {"2199-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "whenever"}) {
    server_.put(kPath, std::string(R"({"spec":{"holderIdentity":"x",)"
                                   R"("leaseDurationSeconds":120,)"
                                   R"("renewTime":")") +
                           renewed + R"("}})");
    const TimePoint begun = clock_.now();
    EXPECT_TRUE(holder("ben@lap").take(watching())) << renewed;
    EXPECT_EQ(clock_.now() - begun, seconds(120)) << renewed;
    EXPECT_EQ(now().holder, "ben@lap") << renewed;
  }
}

TEST_F(LeaseHolding, ThatGoesWhileItIsWatchedIsTaken) {
  LeaseHolder ann = holder("ann@desk");
  ASSERT_TRUE(ann.take(never));
  EXPECT_TRUE(holder("ben@lap").take(watching([&] { ann.release(); })));
  ASSERT_TRUE(holder("cleo").take(watching([&] { server_.remove(kPath); })));
  EXPECT_EQ(now().holder, "cleo");
}

TEST_F(LeaseHolding, IsWatchedAnewWhenTheServerWasAway) {
  LeaseHolder ann = holder("ann@desk");
  ASSERT_TRUE(ann.take(never));
  std::vector<std::string> away;
  const auto patient = [&](const Error& error) {
    away.push_back(error.message());
    pass(std::chrono::minutes(5));
    return away.size() < 3;
  };
  // Nobody can renew it while the server is away: that is not Ann's end.
  server_.refuse(503, "Unavailable", 2);
  std::size_t looks = 0;
  const auto second =
      holder("ben@lap").take(watching([&] {
                               if (++looks == 3) {
                                 server_.refuse(503, "Unavailable", 1);
                               }
                               if (looks == 4) {
                                 EXPECT_TRUE(ann.renew());
                               }
                             }),
                             patient);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(away.size(), 3U);
  EXPECT_EQ(now().holder, "ann@desk");
  // And then it is taken as ever.
  away.clear();
  server_.refuse(503, "Unavailable", 1);
  const TimePoint begun = clock_.now();
  EXPECT_TRUE(holder("ben@lap").take(watching(), patient));
  EXPECT_EQ(clock_.now() - begun,
            std::chrono::minutes(5) + LeaseHolder::kDuration);
  EXPECT_THAT(away, ElementsAre(HasSubstr("503")));
}

TEST_F(LeaseHolding, WhoseFirstAnswerWasLostIsOnesOwn) {
  server_.lose_answers(1, 1);
  const auto patient = [](const Error&) { return true; };
  EXPECT_TRUE(holder("ben@lap").take(never, patient));
  EXPECT_EQ(now().holder, "ben@lap");
}

TEST_F(LeaseHolding, IsNotTakenFromOneWhoseRenewalCameJustBefore) {
  LeaseHolder ann = holder("ann@desk");
  ASSERT_TRUE(ann.take(never));
  server_.refuse(409, "Conflict", 1, "", "PUT");
  const auto second = holder("ben@lap").take(watching());
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message(), HasSubstr("at the same moment"));
}

TEST_F(LeaseHolding, OfADeadHolderIsFreeAtOnce) {
  ASSERT_TRUE(holder("ann@desk 7").take(never));
  LeaseHolder again(
      client_, kKey,
      {"ann@desk 8", [](std::string_view who) { return who == "ann@desk 7"; }},
      clock_, [this] { return wall_; });
  ASSERT_TRUE(again.take(never));
  EXPECT_EQ(now().holder, "ann@desk 8");
}

TEST_F(LeaseHolding, WhoseAnswerWasLostIsStillHeld) {
  LeaseHolder ann = holder("ann@desk");
  ASSERT_TRUE(ann.take(never));
  // Carried out, and nobody was told: its version is not the one that is known.
  server_.lose_answers(1);
  pass(LeaseHolder::kRenewEvery);
  EXPECT_TRUE(ann.renew());
  EXPECT_EQ(now().renew_text, micro_time(wall_));
  // Nor can be asked: it is not given up for that, and written the next time.
  server_.lose_answers(1);
  server_.refuse(500, "InternalError", 1, "", "GET");
  pass(LeaseHolder::kRenewEvery);
  EXPECT_TRUE(ann.renew());
  pass(seconds(1));
  EXPECT_TRUE(ann.renew());
  EXPECT_EQ(now().renew_text, micro_time(wall_));
  // One that is lost is lost, answer or not.
  server_.put(kPath, R"({"spec":{"holderIdentity":"ben@lap"}})");
  pass(LeaseHolder::kRenewEvery);
  EXPECT_EQ(ann.renew().error().code(), ErrorCode::kAlreadyExists);
}

TEST_F(LeaseHolding, WhoseTakingsAnswerWasLostIsTaken) {
  for (const bool is_new : {true, false}) {
    if (!is_new) server_.put(kPath, R"({"spec":{}})");
    server_.lose_answers(1, 1);
    LeaseHolder ann = holder("ann@desk");
    const auto first = ann.take(never);
    // The same one again, as the same command's next try.
    if (!first) {
      EXPECT_TRUE(ann.take(never)) << is_new;
    }
    EXPECT_EQ(now().holder, "ann@desk");
    pass(LeaseHolder::kRenewEvery);
    EXPECT_TRUE(ann.renew());
    server_.remove(kPath);
  }
}

TEST_F(LeaseHolding, IsRenewedNowAndThen) {
  LeaseHolder ann = holder("ann@desk");
  ASSERT_TRUE(ann.take(never));
  const std::size_t before = server_.requests().size();
  ASSERT_TRUE(ann.renew());
  EXPECT_EQ(server_.requests().size(), before);
  pass(LeaseHolder::kRenewEvery);
  ASSERT_TRUE(ann.renew());
  EXPECT_EQ(now().renew_text, micro_time(wall_));
}

TEST_F(LeaseHolding, OutlivesAServerThatIsAwayForAWhile) {
  LeaseHolder ann = holder("ann@desk");
  ASSERT_TRUE(ann.take(never));
  server_.refuse(500, "InternalError", 2, "", "PUT");
  pass(LeaseHolder::kRenewEvery);
  EXPECT_TRUE(ann.renew());
  pass(LeaseHolder::kDuration);
  EXPECT_FALSE(ann.renew());
}

TEST(Lease, OfStrangeWordsIsWaitedForAsAnyOther) {
  EXPECT_FALSE(read_lease("no"));
  const auto lease = read_lease(
      R"({"spec":{"holderIdentity":"x","leaseDurationSeconds":"many"}})");
  ASSERT_TRUE(lease);
  EXPECT_EQ(patience_of(*lease), LeaseHolder::kDuration)
      << "nobody takes it without a look";
  // A century is not believed.
  EXPECT_EQ(patience_of({"x", std::chrono::hours(1000000), {}, "", ""}),
            std::chrono::hours(1));
}

}  // namespace
}  // namespace gpunode::kube
