#include "k8s/api/node_meta.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::kube {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// As kube-apiserver writes it.
constexpr const char* kNode = R"({"kind":"PartialObjectMetadata","metadata":{
"name":"gpu-1","uid":"u-1",
"labels":{"kubernetes.io/os":"linux","nvidia.com/gpu.product":"A10G",
  "nvidia.com/gpu.count":"4","nvidia.com/gpu.family":"ampere","bare":"x"},
"annotations":{"gpunode.io/a":"1","other":"2"},
"managedFields":[
 {"manager":"kubelet","operation":"Update","fieldsType":"FieldsV1",
  "fieldsV1":{"f:metadata":{"f:labels":{".":{},"f:kubernetes.io/os":{}},
  "f:annotations":{"f:other":{}}}}},
 {"manager":"kubectl-label","operation":"Update","fieldsV1":
  {"f:metadata":{"f:labels":{"f:nvidia.com/gpu.product":{}}}}},
 {"manager":"nfd-master","operation":"Apply","fieldsV1":
  {"f:metadata":{"f:labels":{"f:nvidia.com/gpu.family":{}}}}},
 {"manager":"gpunode-agent","operation":"Apply","fieldsV1":
  {"f:metadata":{"f:labels":{"f:nvidia.com/gpu.count":{},
  "f:nvidia.com/gpu.family":{}},"f:annotations":{"f:gpunode.io/a":{}}}}}]}})";

NodeMeta node() {
  auto read = read_node_meta(kNode, "gpunode-agent");
  EXPECT_TRUE(read) << read.error().message();
  return *std::move(read);
}

NodeWish labels(MetaTexts texts) {
  NodeWish wish;
  wish.labels = std::move(texts);
  return wish;
}

TEST(NodeMeta, KnowsWhoseAFieldIs) {
  const NodeMeta meta = node();
  EXPECT_EQ(meta.uid, "u-1");
  EXPECT_TRUE(meta.labels.at("nvidia.com/gpu.count").is_ours);
  EXPECT_EQ(meta.labels.at("nvidia.com/gpu.count").other, "");
  EXPECT_TRUE(meta.labels.at("nvidia.com/gpu.family").is_ours);
  EXPECT_EQ(meta.labels.at("nvidia.com/gpu.family").other, "nfd-master");
  EXPECT_FALSE(meta.labels.at("nvidia.com/gpu.product").is_ours);
  EXPECT_EQ(meta.labels.at("nvidia.com/gpu.product").other, "kubectl-label");
  EXPECT_FALSE(meta.labels.at("bare").is_ours);
  EXPECT_TRUE(meta.annotations.at("gpunode.io/a").is_ours);
}

TEST(NodeMeta, APatchUnderOurNameIsNotOurs) {
  const auto read = read_node_meta(
      R"({"metadata":{"name":"n","uid":"u","labels":{"a":"1"},"managedFields":[
      {"manager":"gpunode-agent","operation":"Update",
       "fieldsV1":{"f:metadata":{"f:labels":{"f:a":{}}}}}]}})",
      "gpunode-agent");
  ASSERT_TRUE(read);
  EXPECT_FALSE(read->labels.at("a").is_ours);
}

TEST(NodeMeta, RefusesWhatIsNoNode) {
  for (const char* json : {"", "[]", "{", R"({"metadata":{"name":"n"}})",
                           R"({"metadata":[],"kind":"Node"})"}) {
    EXPECT_FALSE(read_node_meta(json, "x")) << json;
  }
}

TEST(NodeMeta, OddShapesAreNobodysFields) {
  const auto read = read_node_meta(
      R"({"metadata":{"name":"n","uid":"u","labels":{"a":1,"b":"2"},
      "managedFields":[7,{"fieldsV1":{"f:metadata":{"f:labels":3}}},
      {"fieldsV1":{"f:metadata":{"f:labels":{"f:b":{},"f:gone":{}}}}}]}})",
      "m");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->labels.size(), 1U);
  EXPECT_EQ(read->labels.at("b").other, "an unnamed manager");
}

TEST(NodeMeta, WhatIsAsWishedNeedsNothing) {
  EXPECT_FALSE(plan_apply(node(), NodeWish(), false).body);
  const NodePlan plan = plan_apply(node(),
                                   labels({{"nvidia.com/gpu.count", "4"},
                                           {"nvidia.com/gpu.family", "ampere"},
                                           {"nvidia.com/gpu.product", "A10G"}}),
                                   false);
  EXPECT_FALSE(plan.body);
  EXPECT_THAT(plan.left_alone, IsEmpty());
}

TEST(NodeMeta, LeavesTheLabelsOfOthers) {
  const NodePlan plan =
      plan_apply(node(),
                 labels({{"nvidia.com/gpu.count", "8"},
                         {"nvidia.com/gpu.family", "hopper"},
                         {"nvidia.com/gpu.product", "NVIDIA-A10G"},
                         {"bare", "y"}}),
                 false);
  ASSERT_TRUE(plan.body);
  EXPECT_EQ(*plan.body,
            R"({"apiVersion":"v1","kind":"Node","metadata":{"annotations":)"
            R"({"gpunode.io/a":"1"},"labels":{"nvidia.com/gpu.count":"8"},)"
            R"("name":"gpu-1","uid":"u-1"}})");
  EXPECT_THAT(
      plan.left_alone,
      ElementsAre("label bare is \"x\", written by somebody else; \"y\" would "
                  "be right",
                  "label nvidia.com/gpu.family is \"ampere\", written by "
                  "nfd-master; \"hopper\" would be right",
                  "label nvidia.com/gpu.product is \"A10G\", written by "
                  "kubectl-label; \"NVIDIA-A10G\" would be right"));
}

TEST(NodeMeta, TakesThemWhenToldSo) {
  const NodePlan plan = plan_apply(
      node(), labels({{"nvidia.com/gpu.product", "NVIDIA-A10G"}}), true);
  ASSERT_TRUE(plan.body);
  EXPECT_EQ(*plan.body,
            R"({"apiVersion":"v1","kind":"Node","metadata":{"annotations":)"
            R"({"gpunode.io/a":"1"},"labels":{"nvidia.com/gpu.product":)"
            R"("NVIDIA-A10G"},"name":"gpu-1","uid":"u-1"}})");
  EXPECT_THAT(plan.left_alone, IsEmpty());
}

TEST(NodeMeta, WhatIsNotSpokenOfStays) {
  NodeWish wish;
  wish.annotations["gpunode.io/b"] = "2";
  NodePlan plan = plan_apply(node(), wish, false);
  ASSERT_TRUE(plan.body);
  EXPECT_EQ(*plan.body,
            R"({"apiVersion":"v1","kind":"Node","metadata":{"annotations":)"
            R"({"gpunode.io/a":"1","gpunode.io/b":"2"},"labels":)"
            R"({"nvidia.com/gpu.count":"4","nvidia.com/gpu.family":"ampere"},)"
            R"("name":"gpu-1","uid":"u-1"}})");
  wish.annotations = {{"gpunode.io/a", std::nullopt}, {"other", std::nullopt}};
  wish.labels = MetaTexts();
  plan = plan_apply(node(), wish, false);
  ASSERT_TRUE(plan.body);
  EXPECT_EQ(*plan.body, R"({"apiVersion":"v1","kind":"Node","metadata":)"
                        R"({"name":"gpu-1","uid":"u-1"}})");
}

}  // namespace
}  // namespace gpunode::kube
