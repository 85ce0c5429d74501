#include "apps/gpunode/top/document.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace gpunode::top {
namespace {

TEST(Document, HasWhatIsToldAndNothingElse) {
  Snapshot snapshot;
  snapshot.host = "node-\xff";
  snapshot.gpus.resize(1);
  snapshot.gpus[0].used_bytes = 5;
  HolderRow row;
  row.pod = "p";
  row.gpu = "0";
  snapshot.holders = {row};
  row.pod = "limited";
  row.is_limited = true;
  row.by_kind[0] = 3;
  row.why_unlimited = "static";
  snapshot.holders.push_back(row);
  const std::string line = document(snapshot, {}, true);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const auto json = nlohmann::json::parse(line, nullptr, false);
  ASSERT_TRUE(json.is_object()) << line;
  EXPECT_EQ(json["gpus"][0]["usedBytes"], 5);
  EXPECT_FALSE(json["gpus"][0].contains("celsius"));
  EXPECT_FALSE(json["gpus"][0].contains("healthy")) << "nobody says";
  EXPECT_FALSE(json.contains("agentProblem"));
  ASSERT_EQ(json["holders"].size(), 2U);
  EXPECT_EQ(json["holders"][0]["usedByKind"]["data"], 3);
  EXPECT_EQ(json["holders"][0]["unlimited"], "static");
  EXPECT_FALSE(json["holders"][1].contains("limitBytes"));
  EXPECT_FALSE(json["holders"][1].contains("unlimited"));
  View view;
  view.filter = "limited";
  EXPECT_EQ(
      nlohmann::json::parse(document(snapshot, view, false))["holders"].size(),
      1U);
}

TEST(Document, HasTurnsAsFarAsTheyAreTold) {
  Snapshot snapshot;
  snapshot.holders.resize(1);
  const auto compute = [&snapshot] {
    return nlohmann::json::parse(
        document(snapshot, {}, true))["holders"][0]["compute"];
  };
  EXPECT_TRUE(compute().is_null());
  TurnsOfHolder turns;
  turns.part = 250;
  turns.policy = "fair";
  turns.priority = -5;
  turns.priority_source = "pod";
  snapshot.holders[0].turns = turns;
  EXPECT_EQ(compute(), nlohmann::json({{"part", 250},
                                       {"policy", "fair"},
                                       {"priority", -5},
                                       {"prioritySource", "pod"}}));
  turns.is_counted = true;
  turns.gpu_seconds = 1.5;
  turns.is_persistent = true;
  snapshot.holders[0].turns = turns;
  EXPECT_EQ(compute()["gpuSeconds"], 1.5);
  EXPECT_EQ(compute()["persistent"], true);
  EXPECT_FALSE(compute().contains("latelyPart"));
  EXPECT_FALSE(compute().contains("peakPart"));
  turns.lately = 990;
  turns.throttled_lately = 1;
  turns.observed_seconds = 60;
  turns.mean = 5;
  turns.peak = 6;
  snapshot.holders[0].turns = turns;
  EXPECT_EQ(compute()["latelyPart"], 990);
  EXPECT_EQ(compute()["latelyThrottled"], 1);
  EXPECT_EQ(compute()["meanPart"], 5);
  EXPECT_EQ(compute()["peakPart"], 6);
}

}  // namespace
}  // namespace gpunode::top
