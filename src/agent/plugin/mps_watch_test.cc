#include "agent/plugin/mps_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::plugin {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* kGpu = "nvidia.com/gpu";
constexpr TimePoint kStart{seconds(1000)};

TEST(MpsWatch, OffersNothingUntilTheDaemonHasAnswered) {
  MpsWatch watch;
  watch.follow({kGpu}, kStart);
  EXPECT_EQ(watch.problem(kGpu), "waiting for the MPS daemon");
  // The first good answer is news too: the resource was blocked until then.
  EXPECT_TRUE(watch.on_answer(kGpu, std::nullopt));
  EXPECT_EQ(watch.problem(kGpu), std::nullopt);
  EXPECT_FALSE(watch.on_answer(kGpu, std::nullopt));
}

TEST(MpsWatch, TellsEachChangeOnce) {
  MpsWatch watch;
  watch.follow({kGpu}, kStart);
  const Error gone(ErrorCode::kUnavailable, "no daemon");
  EXPECT_TRUE(watch.on_answer(kGpu, gone));
  EXPECT_FALSE(watch.on_answer(kGpu, gone));
  EXPECT_EQ(watch.problem(kGpu), "no daemon");
  EXPECT_TRUE(watch.on_answer(kGpu, std::nullopt));
}

TEST(MpsWatch, AsksAtOnceAndThenEveryFifteenSeconds) {
  MpsWatch watch;
  EXPECT_EQ(watch.next(), std::nullopt);
  watch.follow({kGpu}, kStart);
  EXPECT_THAT(watch.due(kStart), ElementsAre(kGpu));
  EXPECT_THAT(watch.due(kStart + seconds(14)), IsEmpty());
  EXPECT_THAT(watch.due(kStart + seconds(15)), ElementsAre(kGpu));
  watch.follow({}, kStart);
  EXPECT_EQ(watch.next(), std::nullopt);
  EXPECT_THAT(watch.due(kStart + seconds(99)), IsEmpty());
}

}  // namespace
}  // namespace gpunode::plugin
