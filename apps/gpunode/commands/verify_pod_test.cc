// The Pod that is tried, against the API server's double: one Pod, taken away
// again, whatever answers are lost.
#include "apps/gpunode/commands/verify_pod.h"

#include <algorithm>
#include <functional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "k8s/api/fixed_credentials.h"
#include "tests/doubles/apiserver/api_server_double.h"

namespace gpunode::cli {
namespace {

using nlohmann::json;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

const std::string kPods = "/api/v1/namespaces/default/pods";
const std::string kPod = kPods + "/trial";

class TriedPod : public testing::Test {
 protected:
  Result<diagnose::PodEnd> run() {
    kube::ClientOptions once;
    once.tries = 1;
    kube::Client client(credentials_, nullptr, once);
    diagnose::TrialPod pod;
    pod.name = "trial";
    PodPatience patience{seconds(60), [this] { return is_stopped_; }};
    patience.now = [this] { return clock_.now(); };
    patience.pause = [this](Duration time) {
      clock_.advance(time);
      if (on_pause_) on_pause_();
    };
    return run_pod(client, pod, patience);
  }
  /// What a kubelet makes of it.
  void ends() {
    const std::string text = server_.object(kPod);
    if (text.empty()) return;
    json pod = json::parse(text);
    pod["status"] = {{"phase", "Succeeded"}};
    server_.put(kPod + "/log", R"({"log":"Test PASSED"})");
    server_.put(kPod, pod.dump());
  }
  auto count(const std::string& request) const {
    return std::ranges::count(server_.requests(), request);
  }

  kube::ApiServerDouble server_;
  kube::FixedCredentials credentials_{server_.port()};
  FakeClock clock_;
  std::function<void()> on_pause_ = [this] { ends(); };
  bool is_stopped_ = false;
};

TEST_F(TriedPod, IsMadeWatchedAndTakenAway) {
  const auto end = run();
  ASSERT_TRUE(end) << end.error().message();
  EXPECT_TRUE(end->is_over);
  EXPECT_THAT(end->log, HasSubstr("Test PASSED"));
  EXPECT_EQ(server_.object(kPod), "");
}

TEST_F(TriedPod, IsTheSameOneWhenTheAnswerWasLost) {
  server_.lose_answers(1);
  const auto end = run();
  ASSERT_TRUE(end) << end.error().message();
  EXPECT_TRUE(end->is_over);
  EXPECT_EQ(count("POST " + kPods), 2);
  EXPECT_EQ(count("DELETE " + kPod), 1);
  EXPECT_EQ(server_.object(kPod), "");
}

TEST_F(TriedPod, ThatMayHaveBeenMadeIsTakenAwayOnceTheServerIsBack) {
  server_.be_cut_off(0, true);
  // Longer than the Pod has.
  on_pause_ = [this] {
    if (clock_.now() >= TimePoint() + seconds(70)) {
      server_.reset_connections(0);
    }
  };
  const auto end = run();
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(end.error().message(), Not(HasSubstr("left there")));
  EXPECT_EQ(server_.object(kPod), "");
}

TEST_F(TriedPod, ThatCannotBeTakenAwayIsTold) {
  server_.be_cut_off(0, true);
  const auto end = run();
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(end.error().message(),
              HasSubstr("the Pod default/trial is left there, if it was made"));
}

TEST_F(TriedPod, ThatStillGoesIsNotWatched) {
  server_.put(kPod, R"({"metadata":{"name":"trial","namespace":"default",)"
                    R"("deletionTimestamp":"2026-11-30T03:00:00Z"}})");
  const auto end = run();
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(end.error().message(), HasSubstr("still being taken away"));
  EXPECT_EQ(clock_.now(), TimePoint());
}

TEST_F(TriedPod, ThatIsRefusedLeavesNothingBehind) {
  server_.refuse(403, "Forbidden", 1, "", "POST");
  const auto end = run();
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_EQ(count("DELETE " + kPod), 0);
}

}  // namespace
}  // namespace gpunode::cli
