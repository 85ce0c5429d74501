#include "k8s/api/backoff.h"

#include <set>

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace gpunode::kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const BackoffRules kRules{seconds(2), seconds(60)};

TEST(Backoff, DoublesUpToItsCeiling) {
  const int whole[] = {2, 4, 8, 16, 32, 60, 60};
  for (unsigned i = 0; i < std::size(whole); ++i) {
    EXPECT_EQ(retry_delay(kRules, i + 1, {}, 1), seconds(whole[i]));
    EXPECT_EQ(retry_delay(kRules, i + 1, {}, 0),
              milliseconds(seconds(whole[i])) / 4);
  }
}

TEST(Backoff, StaysWithinItsBounds) {
  EXPECT_TRUE(rc::check([](unsigned attempt, unsigned chance) {
    const double part = static_cast<double>(chance % 1000) / 1000;
    const auto delay = retry_delay(kRules, attempt, {}, part);
    RC_ASSERT(delay >= milliseconds(500));
    RC_ASSERT(delay <= kRules.most);
  }));
}

TEST(Backoff, WaitsAsLongAsTheServerSays) {
  EXPECT_TRUE(rc::check([](unsigned attempt, int after, unsigned chance) {
    const double part = static_cast<double>(chance % 1000) / 1000;
    const auto delay = retry_delay(kRules, attempt, seconds(after), part);
    RC_ASSERT(delay > seconds(std::min(after, 300)));
    RC_ASSERT(delay <= seconds(300) + kRules.most);
  }));
}

TEST(Backoff, ThousandNodesAreSpread) {
  const Chance chance = system_chance();
  std::set<long long> tenths;
  for (int i = 0; i < 1000; ++i) {
    tenths.insert(retry_delay(kRules, 1, {}, chance()).count() / 100);
  }
  EXPECT_GE(tenths.size(), 14U);  // Of 15 in 0.5 s to 2 s.
}

}  // namespace
}  // namespace gpunode::kube
