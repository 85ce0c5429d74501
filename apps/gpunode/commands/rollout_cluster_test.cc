// The beginning of a roll-out against the API server's double, which goes away
// in the midst of it.
#include "apps/gpunode/commands/rollout_cluster.h"

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "k8s/api/fixed_credentials.h"
#include "tests/doubles/apiserver/api_server_double.h"

namespace gpunode::cli {
namespace {

using std::chrono::seconds;
using testing::AllOf;
using testing::Each;
using testing::HasSubstr;
using testing::Not;

const std::string kLease =
    "/apis/coordination.k8s.io/v1/namespaces/gpunode-rollout/leases/rollout";
const std::string kDaemonSet =
    "/apis/apps/v1/namespaces/gpunode-rollout/daemonsets/gpunode-bring";
/// Looks at the namespace, makes it, looks at the lease and takes it.
constexpr unsigned kUntilTaken = 4;

kube::ClientOptions once() {
  kube::ClientOptions options;
  options.tries = 1;
  return options;
}

class Follower final : public rollout::WalkObserver {
 public:
  void node_started(const std::string&, std::size_t, std::size_t) override {}
  void node_skipped(const std::string&) override {}
  void did(const std::string&, const std::string&) override {}
  void waits(const std::string&, const std::string&) override { ++told; }
  void node_done(const std::string&) override {}
  int told = 0;
};

class RolloutBegins : public testing::Test {
 protected:
  /// Ann's. While the server is away `away` is asked, after ten seconds each
  /// time; false: she gives up, and at the latest after kMost.
  Result<void> begin(std::function<bool()> away,
                     const kube::LeaseHolder::Await& await = {}) {
    ApiPatience patience(clock_, kMost, follower_, [this, away] {
      clock_.advance(seconds(10));
      return away();
    });
    return begin_rollout(
        client_, lease_, {"kind: GPUNode\n", std::string(64, 'b'), "image"},
        [&](const kube::Lease& other, seconds left) {
          clock_.advance(seconds(10));
          return await && await(other, left);
        },
        patience);
  }
  std::string holder() const {
    const auto lease = kube::read_lease(server_.object(kLease));
    return lease ? lease->holder : "nobody";
  }
  void is_bens(seconds duration = seconds(120)) {
    server_.put(kLease, kube::lease_json({"gpunode-rollout", "rollout"},
                                         {"ben", duration, {}, "", ""}));
  }

  static constexpr seconds kMost{300};
  kube::ApiServerDouble server_;
  Follower follower_;
  kube::FixedCredentials credentials_{server_.port()};
  kube::Client client_{credentials_, nullptr, once()};
  FakeClock clock_;
  kube::LeaseHolder lease_{
      client_, {"gpunode-rollout", "rollout"}, {"ann", {}}, clock_, [] {
        return kube::WallTime();
      }};
};

TEST_F(RolloutBegins, WithTheLeaseAndItsObjects) {
  ASSERT_TRUE(begin([] { return false; }));
  EXPECT_EQ(holder(), "ann");
  EXPECT_NE(server_.object(kDaemonSet), "");
}

TEST_F(RolloutBegins, AppliesNothingOnceTheLeaseIsAnothers) {
  server_.be_cut_off(kUntilTaken, false);
  const TimePoint begun = clock_.now();
  std::size_t asked = 0;
  const auto done = begin([&] {
    if (clock_.now() - begun < seconds(180)) return true;
    is_bens();
    asked = server_.requests().size();
    server_.reset_connections(0);
    return true;
  });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), ErrorCode::kAlreadyExists);
  EXPECT_THAT(done.error().message(),
              AllOf(HasSubstr("another's by now"), HasSubstr("it stops here")));
  EXPECT_EQ(holder(), "ben");
  EXPECT_EQ(server_.object(kDaemonSet), "");
  auto requests = server_.requests();
  requests.erase(requests.begin(),
                 requests.begin() + static_cast<std::ptrdiff_t>(asked));
  EXPECT_THAT(requests, Each(Not(HasSubstr("PATCH"))));
  // What is Ben's is not given back either.
  lease_.release();
  EXPECT_EQ(holder(), "ben");
}

TEST_F(RolloutBegins, GoesOnAfterAServerThatWasAwayIfNobodyElseHas) {
  server_.be_cut_off(kUntilTaken, false);
  const TimePoint begun = clock_.now();
  std::string version;
  const auto done = begin([&] {
    version = kube::read_lease(server_.object(kLease))->resource_version;
    if (clock_.now() - begun >= seconds(180)) server_.reset_connections(0);
    return true;
  });
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(holder(), "ann");
  EXPECT_NE(kube::read_lease(server_.object(kLease))->resource_version, version)
      << "it was not renewed";
  EXPECT_NE(server_.object(kDaemonSet), "");
}

TEST_F(RolloutBegins, EndsWhereAServerStaysAway) {
  server_.be_cut_off(kUntilTaken, false);
  int left = 5;
  const auto done = begin([&] { return --left > 0; });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(left, 0);
  EXPECT_EQ(server_.object(kDaemonSet), "");
}

TEST_F(RolloutBegins, WaitsAnewEachTimeThatTheServerIsAway) {
  server_.be_cut_off(kUntilTaken, false);
  int looks = 0;
  const auto done = begin([&] {
    ++looks;
    // The lease is renewed and one object applied between the two.
    if (looks == 20) server_.be_cut_off(2, false);
    if (looks == 40) server_.reset_connections(0);
    return true;
  });
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(looks, 40);
  EXPECT_NE(server_.object(kDaemonSet), "");
}

TEST_F(RolloutBegins, TheWaitForAnothersLeaseIsNoneForTheServer) {
  is_bens(seconds(600));
  server_.be_cut_off(kUntilTaken - 2, false);
  int times = 0;
  const auto done = begin(
      [&] {
        server_.reset_connections(0);
        return true;
      },
      [&](const kube::Lease&, seconds left) {
        if (left <= seconds(100) && ++times == 1) server_.be_cut_off(0, false);
        return true;
      });
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(holder(), "ann");
  EXPECT_EQ(follower_.told, 2);
}

TEST_F(RolloutBegins, DoesNotWaitForEver) {
  server_.be_cut_off(kUntilTaken, false);
  const TimePoint begun = clock_.now();
  const auto done = begin([] { return true; });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(clock_.now() - begun, kMost);
}

}  // namespace
}  // namespace gpunode::cli
