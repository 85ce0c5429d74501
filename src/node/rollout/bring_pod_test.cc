#include "node/rollout/bring_pod.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::rollout {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Kind = BringState::Kind;

std::string pod(const std::string& status, const std::string& more = "") {
  return R"({"metadata":{"namespace":"gpunode-rollout","name":"bring-1",)"
         R"("annotations":{"gpunode.io/file":"d1"},)"
         R"("creationTimestamp":"2026-11-29T12:00:00Z")" +
         more + R"(},"status":)" + status + "}";
}

std::string ended(const char* place, int code, const std::string& message,
                  int restarts = 0) {
  return R"({"containerStatuses":[{"restartCount":)" +
         std::to_string(restarts) + R"(,"state":{"waiting":{"reason":)" +
         R"("CrashLoopBackOff"}},")" + place + R"(":{"terminated":)" +
         R"({"exitCode":)" + std::to_string(code) + R"(,"message":")" +
         message + R"("}}}]})";
}

BringState state_of(const std::vector<std::string>& pods) {
  const auto state = read_bring_state(pods, "d1");
  EXPECT_TRUE(state) << state.error().message();
  return state ? *state : BringState();
}

TEST(BringPod, ThatIsReadyIsDone) {
  EXPECT_EQ(state_of({}).kind, Kind::kNone);
  const BringState done =
      state_of({pod(R"({"conditions":[{"type":"Ready","status":"True"}]})")});
  EXPECT_EQ(done.kind, Kind::kDone);
  EXPECT_EQ(done.pod, "bring-1");
}

TEST(BringPod, ThatSaysThatItsRunFailedHasFailed) {
  const BringState failed = state_of({pod(
      ended("lastState", kRunFailedExit, "| apt said no\\nfailed: why\\n"))});
  EXPECT_EQ(failed.kind, Kind::kFailed);
  EXPECT_EQ(failed.words, "failed: why");
}

TEST(BringPod, ThatAReBootOrItsOwnTroubleEndedIsTriedAgain) {
  for (const int code : {137, 143, 255, 1}) {
    const BringState state = state_of({pod(ended("lastState", code, "oh", 2))});
    EXPECT_EQ(state.kind, Kind::kWaiting) << code;
    EXPECT_EQ(state.words, "oh");
  }
  EXPECT_EQ(state_of({pod(ended("lastState", 1, "no systemd", 3))}).kind,
            Kind::kFailed);
  EXPECT_EQ(state_of({pod(ended("lastState", 137, "", 9))}).words,
            "it ended with 137");
}

TEST(BringPod, ThatDoesNotRunSaysWhy) {
  const BringState image =
      state_of({pod(R"({"containerStatuses":[{"state":{"waiting":{"reason":)"
                    R"("ErrImagePull","message":"no such host"}}}]})")});
  EXPECT_EQ(image.kind, Kind::kWaiting);
  EXPECT_EQ(image.words, "ErrImagePull: no such host");
  const BringState unscheduled =
      state_of({pod(R"({"conditions":[{"type":"PodScheduled","status":"False",)"
                    R"("message":"0/3 nodes"}]})")});
  EXPECT_EQ(unscheduled.words, "0/3 nodes");
  EXPECT_EQ(state_of({pod(R"({"containerStatuses":[{"state":{"running":)"
                          R"({"startedAt":"x"}}}]})")})
                .kind,
            Kind::kRunning);
  EXPECT_EQ(state_of({pod("{}")}).kind, Kind::kWaiting);
}

TEST(BringPod, ThatIsLeavingCountsForNothing) {
  const std::string ready =
      R"({"conditions":[{"type":"Ready","status":"True"}]})";
  const std::string leaving =
      pod(ready, R"(,"deletionTimestamp":"2026-11-29T12:01:00Z")");
  EXPECT_EQ(state_of({leaving}).kind, Kind::kNone);
  EXPECT_EQ(state_of({leaving, pod("{}")}).kind, Kind::kWaiting);
  EXPECT_THAT(*bring_pods({leaving}), IsEmpty());
  const auto keys = bring_pods({leaving, pod("{}")});
  ASSERT_THAT(*keys, SizeIs(1));
  EXPECT_EQ(keys->front().space, "gpunode-rollout");
}

TEST(BringPod, OfAnotherFileCountsForNothing) {
  const std::string ready =
      pod(R"({"conditions":[{"type":"Ready","status":"True"}]})");
  EXPECT_EQ(read_bring_state({ready}, "d1")->kind, Kind::kDone);
  EXPECT_EQ(read_bring_state({ready}, "d2")->kind, Kind::kNone);
}

TEST(BringPod, OfWordsThatAreNoPodIsAnError) {
  EXPECT_FALSE(read_bring_state({"no"}, "d1"));
  EXPECT_FALSE(bring_pods({"no"}));
}

}  // namespace
}  // namespace gpunode::rollout
