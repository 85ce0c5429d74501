#include "k8s/api/node_condition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text/json_edit.h"
#include "base/text/tree.h"

namespace gpunode::kube {
namespace {

using std::chrono::seconds;

constexpr const char* kBare =
    R"({"kind":"Node","metadata":{"name":"gpu-1"},"status":{}})";

// As kube-apiserver answers, with one of ours.
constexpr const char* kNode = R"({"kind":"Node","metadata":{"name":"gpu-1"},
"status":{"conditions":[
 {"type":"Ready","status":"True","reason":"KubeletReady","message":"",
  "lastHeartbeatTime":"2026-11-01T00:00:00Z",
  "lastTransitionTime":"2026-10-01T00:00:00Z"},
 {"type":"GpuNodeNeedsAttention","status":"True","reason":"Drift","message":"",
  "lastHeartbeatTime":"2026-11-01T00:00:00Z",
  "lastTransitionTime":"2026-10-02T00:00:00Z"}]}})";

WallTime now() {
  return *parse_time("2026-11-28T12:00:00Z");
}

NodeCondition condition(NodeCondition::Status status) {
  return {"GpuNodeNeedsAttention", status, "Drift", "prep.swap: swap is on"};
}

/// The condition that a patch says, which must be its only one.
text::Node said_by(const Result<std::string>& patch) {
  EXPECT_TRUE(patch) << patch.error().message();
  const text::Node root = text::tree_of(*text::read_json(*patch, "patch"));
  const text::Node* all = text::find_at(root, {"status", "conditions"});
  if (all == nullptr || all->items.size() != 1 || root.entries.size() != 1) {
    ADD_FAILURE() << *patch;
    return {};
  }
  return all->items.front();
}

TEST(NodeCondition, ANewOneBeginsNow) {
  const auto item = said_by(
      condition_patch(kBare, condition(NodeCondition::Status::kTrue), now()));
  EXPECT_EQ(text::to_json(item),
            R"({"lastHeartbeatTime":"2026-11-28T12:00:00Z",)"
            R"("lastTransitionTime":"2026-11-28T12:00:00Z",)"
            R"("message":"prep.swap: swap is on","reason":"Drift",)"
            R"("status":"True","type":"GpuNodeNeedsAttention"})");
}

TEST(NodeCondition, WhatIsStillSoKeepsItsTime) {
  const auto same = said_by(
      condition_patch(kNode, condition(NodeCondition::Status::kTrue), now()));
  EXPECT_EQ(text::string_at(same, {"lastTransitionTime"}),
            "2026-10-02T00:00:00Z");
  EXPECT_EQ(text::string_at(same, {"lastHeartbeatTime"}),
            "2026-11-28T12:00:00Z");
  const auto other = said_by(
      condition_patch(kNode, condition(NodeCondition::Status::kFalse), now()));
  EXPECT_EQ(text::string_at(other, {"lastTransitionTime"}),
            "2026-11-28T12:00:00Z");
}

TEST(NodeCondition, ALongMessageIsCutBetweenCharacters) {
  NodeCondition wish = condition(NodeCondition::Status::kTrue);
  for (std::size_t before = 0; before < 3; ++before) {
    wish.message = std::string(before, 'x');
    for (int i = 0; i < 600; ++i) wish.message += "\xE2\x82\xAC";  // A euro.
    const std::string kept = text::string_at(
        said_by(condition_patch(kBare, wish, now())), {"message"});
    EXPECT_LE(kept.size(), 1024U);
    EXPECT_GT(kept.size(), 1015U);
    ASSERT_TRUE(kept.ends_with("..."));
    EXPECT_EQ((kept.size() - before - 3) % 3, 0U);
  }
}

TEST(NodeCondition, WhatIsNoNodeIsRefused) {
  for (const char* text : {"", "[]", "{}", "{\"metadata\":{}}", "no"}) {
    const auto patch =
        condition_patch(text, condition(NodeCondition::Status::kTrue), now());
    ASSERT_FALSE(patch) << text;
    EXPECT_EQ(patch.error().code(), ErrorCode::kCorrupt) << text;
  }
  // Whatever else is strange in it is of no count.
  for (const char* text :
       {R"({"metadata":{"name":"n"}})",
        R"({"metadata":{"name":"n"},"status":[]})",
        R"({"metadata":{"name":"n"},"status":{"conditions":[1,{"type":2}]}})",
        R"({"metadata":{"name":"n"},"status":{"conditions":[
           {"type":"GpuNodeNeedsAttention","status":"True",
            "lastTransitionTime":"yesterday"}]}})"}) {
    const auto item = said_by(
        condition_patch(text, condition(NodeCondition::Status::kTrue), now()));
    EXPECT_EQ(text::string_at(item, {"lastTransitionTime"}),
              "2026-11-28T12:00:00Z");
  }
}

}  // namespace
}  // namespace gpunode::kube
