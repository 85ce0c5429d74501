#include "node/provision/only_steps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/provision/steps/steps.h"

namespace gpunode::provision {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> kept(const std::vector<std::string>& only) {
  Steps steps = steps_for({});
  const auto done = keep_only(only, steps);
  EXPECT_TRUE(done) << done.error().message();
  std::vector<std::string> ids;
  for (const auto& step : steps) ids.emplace_back(step->id());
  return ids;
}

TEST(OnlySteps, WhoIsNamedKeepsItsGuards) {
  EXPECT_THAT(kept({"prep.sysctl"}), ElementsAre("prep.host", "prep.sysctl"));
  EXPECT_THAT(kept({"driver.packages"}),
              ElementsAre("prep.host", "driver.obstacles", "driver.packages"));
  EXPECT_THAT(kept({"cuda.extras"}),
              ElementsAre("prep.host", "driver.obstacles", "cuda.extras"));
  EXPECT_THAT(kept({"driver.obstacles"}),
              ElementsAre("prep.host", "driver.obstacles"));
}

TEST(OnlySteps, WithoutNamesAllStay) {
  EXPECT_EQ(kept({}).size(), steps_for({}).size());
}

TEST(OnlySteps, ANameThatNoneHasIsToldWithThoseThatAre) {
  Steps steps = steps_for({});
  const auto done = keep_only({"prep.sysctls"}, steps);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(done.error().message(),
              HasSubstr("--only=prep.sysctls: no such Step (did you mean "
                        "prep.sysctl?); there are prep.h"));
}

TEST(OnlySteps, DisksAreNamedAloneWhereNothingElseIs) {
  EXPECT_TRUE(names_disks_alone({"storage.data.disk"}));
  EXPECT_TRUE(names_disks_alone({"storage.data.disk", "storage.b.disk"}));
  EXPECT_FALSE(names_disks_alone({}));
  EXPECT_FALSE(names_disks_alone({"storage.data.disk", "driver.packages"}));
  EXPECT_FALSE(names_disks_alone({"storage.data.boot"}));
  EXPECT_FALSE(names_disks_alone({"prep.disk"}));
}

}  // namespace
}  // namespace gpunode::provision
