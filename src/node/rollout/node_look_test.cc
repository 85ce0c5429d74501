#include "node/rollout/node_look.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::rollout {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kNode = R"({"metadata":{"name":"gpu-1","uid":"u1",
  "resourceVersion":"7","labels":{"a":"b"},
  "annotations":{"gpunode.io/rolled-out":"abc"}},
  "spec":{"unschedulable":true},
  "status":{"conditions":[
    {"type":"Ready","status":"True","message":"kubelet is posting"},
    {"type":"GpuNodeNeedsAttention","status":"True","message":"drift"}],
  "allocatable":{"cpu":"8","nvidia.com/gpu":"2","nvidia.com/mig-1g.5gb":"3",
    "nvidia.com/gpu.shared":"4","nvidia.com/hostdev":"9"}}})";

TEST(NodeLook, IsWhatTheApiServerSays) {
  const auto node = read_node(kNode);
  ASSERT_TRUE(node) << node.error().message();
  EXPECT_EQ(node->name, "gpu-1");
  EXPECT_EQ(node->version.uid, "u1");
  EXPECT_EQ(node->version.resource_version, "7");
  EXPECT_TRUE(node->is_ready);
  EXPECT_TRUE(node->is_cordoned);
  EXPECT_FALSE(node->is_control_plane);
  EXPECT_EQ(node->gpus, 9U);
  EXPECT_EQ(node->attention, "drift");
  EXPECT_EQ(node->done_digest, "abc");
  EXPECT_FALSE(node->mark);
}

TEST(NodeLook, OfABareNodeIsOneThatIsNotReady) {
  const auto node = read_node(R"({"metadata":{"name":"gpu-1"}})");
  ASSERT_TRUE(node) << node.error().message();
  EXPECT_FALSE(node->is_ready);
  EXPECT_FALSE(node->is_cordoned);
  EXPECT_EQ(node->gpus, 0U);
  EXPECT_THAT(complaints_of(*node, 0, false),
              ElementsAre(HasSubstr("its kubelet says nothing")));
}

TEST(NodeLook, OfAnythingElseIsNone) {
  for (const char* json : {"", "[]", "{}", R"({"metadata":7})"}) {
    EXPECT_FALSE(read_node(json)) << json;
  }
}

TEST(NodeLook, KnowsTheControlPlaneByEitherName) {
  for (const char* role : {"control-plane", "master"}) {
    const auto node = read_node(
        R"({"metadata":{"name":"a","labels":{"node-role.kubernetes.io/)" +
        std::string(role) + R"(":""}}})");
    ASSERT_TRUE(node);
    EXPECT_TRUE(node->is_control_plane) << role;
  }
}

TEST(NodeLook, ReadsTheMarkOrSaysThatItIsNone) {
  const NodeMark mark{Phase::kBringing, "d", false, 2, ""};
  std::string text;
  for (const char c : mark_text(mark)) {
    if (c == '"') text += '\\';
    text += c;
  }
  const auto json = [](const std::string& annotation) {
    return R"({"metadata":{"name":"a","annotations":{"gpunode.io/rollout":")" +
           annotation + R"("}}})";
  };
  EXPECT_EQ(read_node(json(text))->mark, mark);
  const auto strange = read_node(json("mine"));
  EXPECT_FALSE(strange->mark);
  EXPECT_THAT(strange->mark_trouble, HasSubstr("not what gpunode wrote"));
}

TEST(Complaints, AreOfReadinessGpusAndWhatTheCheckTells) {
  NodeLook node;
  node.is_ready = true;
  node.gpus = 4;
  EXPECT_THAT(complaints_of(node, 4, false), IsEmpty());
  EXPECT_THAT(complaints_of(node, 0, false), IsEmpty());
  EXPECT_THAT(complaints_of(node, 8, false),
              ElementsAre(HasSubstr("offers 4 GPUs and offered 8")));
  EXPECT_THAT(complaints_of(node, 8, true), IsEmpty());
  node.attention = "the next kernel has no module";
  node.is_ready = false;
  node.ready_words = "stopped posting";
  EXPECT_THAT(complaints_of(node, 4, false),
              ElementsAre("it is not Ready: stopped posting",
                          "condition GpuNodeNeedsAttention: the next kernel "
                          "has no module"));
}

}  // namespace
}  // namespace gpunode::rollout
