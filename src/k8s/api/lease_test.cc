#include "k8s/api/lease.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "k8s/api/fixed_credentials.h"
#include "tests/doubles/apiserver/api_server_double.h"

namespace gpunode::kube {
namespace {

using std::chrono::seconds;
using testing::AllOf;
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

  ApiServerDouble server_;
  FixedCredentials credentials_{server_.port()};
  Client client_{credentials_, nullptr, once()};
  FakeClock clock_;
  WallTime wall_ = *parse_time("2026-11-29T12:00:00Z");
};

TEST_F(LeaseHolding, IsOnesAloneAndTellsWhose) {
  LeaseHolder ann = holder("ann@desk");
  ASSERT_TRUE(ann.take());
  EXPECT_EQ(now().holder, "ann@desk");
  const auto second = holder("ben@lap").take();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::kAlreadyExists);
  EXPECT_THAT(second.error().message(),
              AllOf(HasSubstr("ann@desk is at work"), HasSubstr("120 s")));
  ann.release();
  EXPECT_EQ(now().holder, "");
  EXPECT_TRUE(holder("ben@lap").take());
}

TEST_F(LeaseHolding, EndsWithItsDuration) {
  LeaseHolder ann = holder("ann@desk");
  ASSERT_TRUE(ann.take());
  pass(LeaseHolder::kDuration - seconds(1));
  EXPECT_FALSE(holder("ben@lap").take());
  pass(seconds(1));
  EXPECT_TRUE(holder("ben@lap").take());
  // Who was taken over from learns it, and takes nothing back by itself.
  const auto lost = ann.renew();
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code(), ErrorCode::kAlreadyExists);
  EXPECT_FALSE(ann.renew());
  ann.release();
  EXPECT_EQ(now().holder, "ben@lap");
}

TEST_F(LeaseHolding, OfADeadHolderIsFreeAtOnce) {
  ASSERT_TRUE(holder("ann@desk 7").take());
  LeaseHolder again(
      client_, kKey,
      {"ann@desk 8", [](std::string_view who) { return who == "ann@desk 7"; }},
      clock_, [this] { return wall_; });
  ASSERT_TRUE(again.take());
  EXPECT_EQ(now().holder, "ann@desk 8");
}

TEST_F(LeaseHolding, IsRenewedNowAndThen) {
  LeaseHolder ann = holder("ann@desk");
  ASSERT_TRUE(ann.take());
  const std::size_t before = server_.requests().size();
  ASSERT_TRUE(ann.renew());
  EXPECT_EQ(server_.requests().size(), before);
  pass(LeaseHolder::kRenewEvery);
  ASSERT_TRUE(ann.renew());
  EXPECT_EQ(now().renewed, wall_);
}

TEST_F(LeaseHolding, OutlivesAServerThatIsAwayForAWhile) {
  LeaseHolder ann = holder("ann@desk");
  ASSERT_TRUE(ann.take());
  server_.refuse(500, "InternalError", 2, "", "PUT");
  pass(LeaseHolder::kRenewEvery);
  EXPECT_TRUE(ann.renew());
  pass(LeaseHolder::kDuration);
  EXPECT_FALSE(ann.renew());
}

TEST(Lease, OfStrangeWordsIsNobodys) {
  EXPECT_FALSE(read_lease("no"));
  EXPECT_FALSE(read_lease(R"({"spec":{"renewTime":"yesterday"}})"));
  const auto lease = read_lease(
      R"({"spec":{"holderIdentity":"x","leaseDurationSeconds":"many"}})");
  ASSERT_TRUE(lease);
  EXPECT_FALSE(is_held(*lease, *parse_time("2026-11-29T12:00:00Z")));
  // A century is not believed.
  Lease forever{"x", std::chrono::hours(1000000),
                *parse_time("2026-11-29T12:00:00Z"), ""};
  EXPECT_FALSE(is_held(forever, *parse_time("2026-11-29T14:00:00Z")));
}

}  // namespace
}  // namespace gpunode::kube
