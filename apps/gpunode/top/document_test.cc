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

}  // namespace
}  // namespace gpunode::top
