#include "node/rollout/node_mark.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace gpunode::rollout {
namespace {

using nlohmann::json;
using testing::HasSubstr;

const std::string kDigest(64, 'a');

NodeMark mark_of(Phase phase) {
  return {phase, kDigest, true, 8, ""};
}

TEST(NodeMark, IsReadAsItWasWritten) {
  for (const Phase phase :
       {Phase::kDraining, Phase::kBringing, Phase::kChecking}) {
    NodeMark mark = mark_of(phase);
    mark.why = "a \"word\"\nand \xff more";
    const auto read = read_mark(mark_text(mark));
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(read->phase, phase);
    EXPECT_EQ(read->digest, kDigest);
    EXPECT_TRUE(read->was_cordoned);
    EXPECT_EQ(read->gpus, 8U);
    EXPECT_THAT(read->why, HasSubstr("a \"word\"\nand "));
  }
  EXPECT_EQ(*read_mark(mark_text(mark_of(Phase::kDraining))),
            mark_of(Phase::kDraining));
}

TEST(NodeMark, OfAStrangerIsRefusedWithTheWayOut) {
  for (const char* text :
       {"", "no", "[]", "{}", R"({"phase":"draining"})",
        R"({"phase":"dreaming","digest":"a","wasCordoned":false,"gpus":1})",
        R"({"phase":"draining","digest":"a","wasCordoned":"no","gpus":1})",
        R"({"phase":"draining","digest":"a","wasCordoned":false,"gpus":-1})",
        R"({"phase":"draining","digest":"","wasCordoned":false,"gpus":1})"}) {
    const auto read = read_mark(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code(), ErrorCode::kCorrupt);
    EXPECT_THAT(read.error().message(), HasSubstr("remove the annotation"));
  }
}

TEST(NodeMark, BeginsWithOneWriteOfThisNode) {
  const json patch =
      json::parse(begin_patch({"u1", "7"}, mark_of(Phase::kDraining)));
  EXPECT_EQ(patch["spec"]["unschedulable"], true);
  EXPECT_EQ(patch["metadata"]["uid"], "u1");
  EXPECT_EQ(patch["metadata"]["resourceVersion"], "7");
  // The bringer of another file goes.
  EXPECT_TRUE(patch["metadata"]["labels"][kBringLabel].is_null());
  EXPECT_EQ(*read_mark(patch["metadata"]["annotations"][kRolloutAnnotation]
                           .get<std::string>()),
            mark_of(Phase::kDraining));
}

TEST(NodeMark, WantsTheBringerFromItsPhaseOn) {
  const json draining =
      json::parse(mark_patch({"u1", "7"}, mark_of(Phase::kDraining)));
  EXPECT_FALSE(draining["metadata"].contains("labels"));
  const json bringing =
      json::parse(mark_patch({"u1", "7"}, mark_of(Phase::kBringing)));
  EXPECT_EQ(bringing["metadata"]["labels"][kBringLabel], kDigest.substr(0, 16));
  // Nothing is brought to a node that others have uncordoned meanwhile.
  EXPECT_EQ(bringing["spec"]["unschedulable"], true);
}

TEST(NodeMark, EndsWithTheNodeAsItWas) {
  NodeMark mark = mark_of(Phase::kChecking);
  EXPECT_FALSE(json::parse(finish_patch({"u1", "7"}, mark)).contains("spec"));
  mark.was_cordoned = false;
  const json patch = json::parse(finish_patch({"u1", "7"}, mark));
  EXPECT_TRUE(patch["spec"].at("unschedulable").is_null());
  const json& annotations = patch["metadata"]["annotations"];
  EXPECT_TRUE(annotations.at(kRolloutAnnotation).is_null());
  EXPECT_EQ(annotations.at(kRolledOutAnnotation), kDigest);
  EXPECT_TRUE(patch["metadata"]["labels"].at(kBringLabel).is_null());
}

}  // namespace
}  // namespace gpunode::rollout
