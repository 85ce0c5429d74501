#include "node/diagnose/ungranted_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::diagnose {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST(UngrantedCheck, NamesTheMostFrequentFirst) {
  const Findings found = check_ungranted(
      {{"team", "a", "main", "cuda:12", "all", "no GPU was allocated to it",
        "t1", 2},
       {"", "", "", "", "0", "no GPU was allocated to it", "t2", 7}});
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_EQ(found[0].what,
            "a container outside Kubernetes asked for GPUs (0): no GPU was "
            "allocated to it; 7 times, last at t2");
  EXPECT_EQ(found[1].what,
            "team/a, container main (cuda:12) asked for GPUs (all): no GPU "
            "was allocated to it; 2 times, last at t1");
  EXPECT_THAT(found[1].next, HasSubstr("nvidia.com/gpu"));
}

TEST(UngrantedCheck, NobodyIsNoFinding) {
  EXPECT_THAT(check_ungranted({}), IsEmpty());
}

}  // namespace
}  // namespace gpunode::diagnose
