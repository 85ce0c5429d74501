#include "k8s/api/watch_plan.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace gpunode::kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Step = WatchPlan::Step;

TEST(WatchPlan, ListsThenWatchesFromThere) {
  WatchPlan plan;
  EXPECT_EQ(plan.next(), Step::kList);
  EXPECT_EQ(plan.version(), "0");
  plan.listed("10", 0);
  EXPECT_EQ(plan.next(), Step::kWatch);
  EXPECT_EQ(plan.version(), "10");
  plan.saw("12");
  plan.ended(seconds(300), 0);
  EXPECT_EQ(plan.next(), Step::kWatch);
  EXPECT_EQ(plan.version(), "12");
}

TEST(WatchPlan, AForgottenVersionIsListedAnewAndConsistently) {
  WatchPlan plan;
  plan.listed("10", 0);
  plan.lost(1);
  EXPECT_EQ(plan.next(), Step::kPause);
  EXPECT_EQ(plan.delay(), seconds(2));
  plan.paused();
  EXPECT_EQ(plan.next(), Step::kList);
  EXPECT_EQ(plan.version(), "");
}

TEST(WatchPlan, AFailedWatchGoesOnWhereItWas) {
  WatchPlan plan;
  plan.listed("10", 0);
  plan.saw("11");
  plan.failed({}, 1);
  EXPECT_EQ(plan.next(), Step::kPause);
  plan.paused();
  EXPECT_EQ(plan.next(), Step::kWatch);
  EXPECT_EQ(plan.version(), "11");
}

// A server whose etcd was restored does not know our version as one of the
// future: it refuses it as it refuses when it is overloaded.
TEST(WatchPlan, NothingKeepsItFromListingForEver) {
  WatchPlan plan;
  plan.listed("1000000", 0);
  for (int failures = 0; plan.next() != Step::kList; ++failures) {
    ASSERT_LT(failures, 10);
    plan.failed({}, 0);
    plan.paused();
  }
  EXPECT_EQ(plan.version(), "");
}

TEST(WatchPlan, WaitsGrowUntilAWatchWorks) {
  WatchPlan plan;
  for (const int whole : {2, 4, 8, 16}) {
    plan.failed({}, 1);
    EXPECT_EQ(plan.delay(), seconds(whole));
    plan.paused();
    plan.listed("10", 0);  // Lists work, watches do not.
  }
  plan.saw("11");
  plan.failed({}, 1);
  EXPECT_EQ(plan.delay(), seconds(2));
  plan.failed(seconds(30), 1);
  EXPECT_EQ(plan.delay(), seconds(34));
}

TEST(WatchPlan, AWatchThatEndsAtOnceIsAFailure) {
  WatchPlan plan;
  plan.listed("10", 0);
  plan.ended(milliseconds(3), 1);
  EXPECT_EQ(plan.next(), Step::kPause);
  plan.paused();
  plan.saw("11");
  plan.ended(milliseconds(3), 1);
  EXPECT_EQ(plan.next(), Step::kWatch);
}

TEST(WatchPlan, AListWithoutAVersionIsAFailure) {
  WatchPlan plan;
  plan.listed("", 1);
  EXPECT_EQ(plan.next(), Step::kPause);
  plan.paused();
  EXPECT_EQ(plan.next(), Step::kList);
}

/// Whatever happens, it never watches from nowhere, and never fails twice
/// without a pause between.
TEST(WatchPlan, NeverSpins) {
  EXPECT_TRUE(rc::check([](const std::vector<unsigned>& happenings) {
    WatchPlan plan;
    for (const unsigned what : happenings) {
      if (plan.next() == Step::kPause) {
        RC_ASSERT(plan.delay() >= milliseconds(500));
        plan.paused();
        continue;
      }
      if (plan.next() == Step::kList) {
        if (what % 3 == 0) {
          plan.failed({}, 0);
        } else {
          plan.listed(what % 3 == 1 ? "5" : "", 0);
        }
        continue;
      }
      RC_ASSERT(!plan.version().empty() && plan.version() != "0");
      switch (what % 4) {
        case 0:
          plan.saw("6");
          break;
        case 1:
          plan.ended(milliseconds(1), 0);
          break;
        case 2:
          plan.lost(0);
          RC_ASSERT(plan.next() == Step::kPause);
          break;
        default:
          plan.failed({}, 0);
          RC_ASSERT(plan.next() == Step::kPause);
      }
    }
  }));
}

}  // namespace
}  // namespace gpunode::kube
