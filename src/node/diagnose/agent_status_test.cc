#include "node/diagnose/agent_status.h"

#include <gtest/gtest.h>

namespace gpunode::diagnose {
namespace {

Result<AgentStatus> with_holder(const std::string& members) {
  return parse_agent_status(R"({"version":1,"holders":{"items":[{"pod":"a")" +
                            members + "}]}}");
}

TEST(AgentStatus, ReadsWhatAHolderHasOfAGpusTime) {
  const auto status = with_holder(
      R"(,"compute":[{"device":"GPU-0","part":250,"policy":"fair",)"
      R"("gpuSeconds": 12.345,"throttledSeconds":4,"turns":7,"launches":99,)"
      R"("persistent":true,"news":[1.5e3],"observedSeconds":60,)"
      R"("meanPart":12,"peakPart":500},{"device":"GPU-1"}])");
  ASSERT_TRUE(status) << status.error().message();
  const auto& compute = status->holders.at(0).compute;
  ASSERT_EQ(compute.size(), 2U);
  EXPECT_EQ(compute[0].device, "GPU-0");
  EXPECT_EQ(compute[0].part, 250U);
  EXPECT_EQ(compute[0].policy, "fair");
  EXPECT_DOUBLE_EQ(compute[0].gpu_seconds, 12.345);
  EXPECT_DOUBLE_EQ(compute[0].throttled_seconds, 4);
  EXPECT_EQ(compute[0].turns, 7U);
  EXPECT_EQ(compute[0].launches, 99U);
  EXPECT_TRUE(compute[0].is_persistent);
  EXPECT_EQ(compute[0].observed_seconds, 60U);
  EXPECT_EQ(compute[0].mean_part, 12U);
  EXPECT_EQ(compute[0].peak_part, 500U);
  EXPECT_EQ(compute[1].observed_seconds, 0U);
}

TEST(AgentStatus, AnOlderAgentSaysNothingOfTime) {
  const auto status = with_holder("");
  ASSERT_TRUE(status);
  EXPECT_TRUE(status->holders.at(0).compute.empty());
}

TEST(AgentStatus, RefusesTimeThatIsNoNumber) {
  for (const char* text :
       {R"("1")", "null", "[]", "1.", "-", "NaN", "true", "01"}) {
    EXPECT_FALSE(
        with_holder(R"(,"compute":[{"gpuSeconds":)" + std::string(text) + "}]"))
        << text;
  }
  for (const char* text : {"0", "1e400", "-0.5"}) {
    EXPECT_TRUE(
        with_holder(R"(,"compute":[{"gpuSeconds":)" + std::string(text) + "}]"))
        << text;
  }
}

}  // namespace
}  // namespace gpunode::diagnose
