#include "agent/resource/health_policy.h"

#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::resource {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const std::vector<std::uint64_t> kByDefault = {13, 31, 43, 45, 68, 109};

TEST(HealthPolicy, IgnoresWhatApplicationsCauseByDefault) {
  const HealthPolicy policy;
  EXPECT_TRUE(policy.is_listening());
  for (const std::uint64_t xid : kByDefault) {
    EXPECT_FALSE(policy.is_critical(xid)) << xid;
  }
  for (const std::uint64_t xid : {0U, 48U, 63U, 74U, 79U, 94U, 119U}) {
    EXPECT_TRUE(policy.is_critical(xid)) << xid;
  }
}

TEST(HealthPolicy, ReadsListsOfXids) {
  struct Row {
    std::string text;
    std::vector<std::uint64_t> xids;
    std::vector<std::string> meaningless;
  };
  const std::vector<Row> rows = {
      {"", {}, {}},
      {",", {}, {}},
      {"not-an-int", {}, {"not-an-int"}},
      {"79", {79}, {}},
      {"-79", {}, {"-79"}},
      {"79  ", {79}, {}},
      {"79,", {79}, {}},
      {",79", {79}, {}},
      {"79, 74 ,\t48", {48, 74, 79}, {}},
      {"79,,not-an-int,74", {74, 79}, {"not-an-int"}},
      {"+79,7 9,0x4f,79.0,18446744073709551616",
       {},
       {"+79", "7 9", "0x4f", "79.0", "18446744073709551616"}},
      {"079,18446744073709551615", {79, UINT64_MAX}, {}},
  };
  for (const Row& row : rows) {
    const auto policy = HealthPolicy::from_environment(row.text, std::nullopt);
    EXPECT_TRUE(policy.is_listening()) << row.text;
    for (const std::uint64_t xid : {std::uint64_t{48}, std::uint64_t{74},
                                    std::uint64_t{79}, UINT64_MAX}) {
      const bool is_listed =
          std::find(row.xids.begin(), row.xids.end(), xid) != row.xids.end();
      EXPECT_EQ(policy.is_critical(xid), !is_listed) << row.text << ' ' << xid;
    }
    EXPECT_EQ(policy.meaningless(), row.meaningless) << row.text;
  }
}

TEST(HealthPolicy, CombinesTheTwoVariables) {
  struct Row {
    const char* disable;
    const char* enable;
    bool is_listening, counts_79, counts_13, counts_31;
  };
  const std::vector<Row> rows = {
      {"all", "", false, false, false, false},
      {"xids", "", false, false, false, false},
      {" ALL , 3", "", false, false, false, false},
      {"79", "79", true, true, false, false},
      {"", "13", true, true, true, false},
      {"79", "13", true, false, true, false},
      {"all", "79", false, false, false, false},
      {"all", "all", true, true, true, true},
      {"79", "Xids", true, true, true, true},
      {"", "all", true, true, true, true},
      {"allx", "", true, true, false, false},
  };
  for (const Row& row : rows) {
    const auto policy =
        HealthPolicy::from_environment(std::string(row.disable), row.enable);
    const auto what = std::string(row.disable) + " / " + row.enable;
    EXPECT_EQ(policy.is_listening(), row.is_listening) << what;
    EXPECT_EQ(policy.is_critical(79), row.counts_79) << what;
    EXPECT_EQ(policy.is_critical(13), row.counts_13) << what;
    EXPECT_EQ(policy.is_critical(31), row.counts_31) << what;
  }
}

TEST(HealthPolicy, KeepsTheJunkOfBothVariables) {
  const auto policy = HealthPolicy::from_environment("a,13", "b\n c,79");
  EXPECT_THAT(policy.meaningless(), ElementsAre("a", "b\\x0a c"));
  EXPECT_THAT(HealthPolicy().meaningless(), IsEmpty());
}

}  // namespace
}  // namespace gpunode::resource
