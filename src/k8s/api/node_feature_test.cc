#include "k8s/api/node_feature.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text/json_edit.h"
#include "base/text/tree.h"

namespace gpunode::kube {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

const std::vector<OwnerReference> kOwners = {
    {"apps/v1", "DaemonSet", "ds1", "du", true},
    {"v1", "Pod", "p1", "pu", false}};

NodeFeatureWish wish() {
  return {"n1", {{"nvidia.com/gpu.count", "4"}}, kOwners};
}

text::Node tree(const std::string& json) {
  const auto value = text::read_json(json, "test");
  EXPECT_TRUE(value) << json;
  return text::tree_of(*value);
}

// As kube-apiserver writes it, with what is its own.
std::string stored(const std::string& metadata, const std::string& spec) {
  return R"({"apiVersion":"nfd.k8s-sigs.io/v1alpha1","kind":"NodeFeature",)"
         R"("metadata":{"name":"nvidia-features-for-n1","namespace":"ns1",)"
         R"("resourceVersion":"7","uid":"u","generation":2,)"
         R"("managedFields":[{"manager":"m"}])" +
         metadata + R"(},"spec":)" + spec + "}";
}

constexpr const char* kLabels =
    R"(,"labels":{"nfd.node.kubernetes.io/node-name":"n1"})";
constexpr const char* kReferences =
    R"(,"ownerReferences":[{"uid":"du","apiVersion":"apps/v1",)"
    R"("kind":"DaemonSet","name":"ds1","controller":true},)"
    R"({"apiVersion":"v1","kind":"Pod","name":"p1","uid":"pu"}])";
constexpr const char* kSpec =
    R"({"features":{"flags":{},"attributes":{},"instances":{}},)"
    R"("labels":{"nvidia.com/gpu.count":"4"}})";

TEST(NodeFeature, IsMadeAsNvidiasProgramMakesIt) {
  EXPECT_EQ(node_feature_json(wish()),
            R"({"apiVersion":"nfd.k8s-sigs.io/v1alpha1","kind":"NodeFeature",)"
            R"("metadata":{"labels":{"nfd.node.kubernetes.io/node-name":"n1"},)"
            R"("name":"nvidia-features-for-n1",)"
            R"("ownerReferences":[{"apiVersion":"apps/v1","controller":true,)"
            R"("kind":"DaemonSet","name":"ds1","uid":"du"},)"
            R"({"apiVersion":"v1","kind":"Pod","name":"p1","uid":"pu"}]},)"
            R"("spec":{"features":{"attributes":{},"flags":{},"instances":{}},)"
            R"("labels":{"nvidia.com/gpu.count":"4"}}})");
  NodeFeatureWish unowned = wish();
  unowned.owners.reset();
  EXPECT_THAT(node_feature_json(unowned),
              testing::Not(HasSubstr("ownerReferences")));
}

struct Same {
  const char* name;
  std::string metadata;
  std::string spec;
  bool is_same;
};

class NodeFeatureCompare : public testing::TestWithParam<Same> {};

TEST_P(NodeFeatureCompare, WritesOnlyWhatDiffers) {
  const Same& one = GetParam();
  const auto plan = plan_node_feature(stored(one.metadata, one.spec), wish());
  ASSERT_TRUE(plan) << plan.error().message();
  ASSERT_EQ(!*plan, one.is_same) << **plan;
  if (!*plan) return;
  const text::Node body = tree(**plan);
  const text::Node made = tree(node_feature_json(wish()));
  EXPECT_EQ(text::string_at(body, {"metadata", "resourceVersion"}), "7");
  EXPECT_EQ(text::string_at(body, {"metadata", "uid"}), "u");
  EXPECT_EQ(text::find_at(body, {"metadata", "managedFields"}), nullptr);
  for (const text::KeyPath& path : {text::KeyPath{"spec"},
                                    {"metadata", "labels"},
                                    {"metadata", "ownerReferences"}}) {
    EXPECT_TRUE(
        text::same_tree(*text::find_at(body, path), *text::find_at(made, path)))
        << **plan;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Objects, NodeFeatureCompare,
    testing::Values(
        Same{"Same", std::string(kLabels) + kReferences, kSpec, true},
        Same{"WithoutEmptyMaps", std::string(kLabels) + kReferences,
             R"({"labels":{"nvidia.com/gpu.count":"4"}})", true},
        Same{"AnnotatedByOthers",
             std::string(kLabels) + kReferences +
                 R"(,"annotations":{"a":"b"},"finalizers":["f/g"])",
             kSpec, true},
        Same{"OtherValue", std::string(kLabels) + kReferences,
             R"({"labels":{"nvidia.com/gpu.count":"8"}})", false},
        Same{"OneLabelMore", std::string(kLabels) + kReferences,
             R"({"labels":{"nvidia.com/gpu.count":"4","nvidia.com/x":""}})",
             false},
        Same{"WithNullMaps", std::string(kLabels) + kReferences,
             R"({"features":{"flags":null,"attributes":{}},)"
             R"("labels":{"nvidia.com/gpu.count":"4"}})",
             true},
        Same{"NoSpec", std::string(kLabels) + kReferences, "null", false},
        Same{"FeaturesOfSomebody", std::string(kLabels) + kReferences,
             R"({"features":{"flags":{"a.b":{"elements":{"c":{}}}}},)"
             R"("labels":{"nvidia.com/gpu.count":"4"}})",
             false},
        Same{"NoNodeName", kReferences, kSpec, false},
        Same{"OtherNodesName",
             std::string(R"(,"labels":{"nfd.node.kubernetes.io/node-name":)"
                         R"("n2"})") +
                 kReferences,
             kSpec, false},
        Same{"LabelOfItsOwn",
             std::string(R"(,"labels":{"nfd.node.kubernetes.io/node-name":)"
                         R"("n1","team":"a"})") +
                 kReferences,
             kSpec, false},
        Same{"NoOwners", kLabels, kSpec, false},
        Same{"OwnersOfAPodBefore",
             std::string(kLabels) +
                 R"(,"ownerReferences":[{"apiVersion":"v1","kind":"Pod",)"
                 R"("name":"p0","uid":"pu0"}])",
             kSpec, false}),
    [](const auto& one) { return one.param.name; });

TEST(NodeFeature, OwnersThatAreNotKnownStay) {
  NodeFeatureWish unknown = wish();
  unknown.owners.reset();
  const std::string json = stored(std::string(kLabels) + kReferences, kSpec);
  EXPECT_FALSE(*plan_node_feature(json, unknown));
  unknown.labels["nvidia.com/gpu.count"] = "8";
  const auto plan = plan_node_feature(json, unknown);
  ASSERT_TRUE(*plan);
  EXPECT_THAT(
      text::find_at(tree(**plan), {"metadata", "ownerReferences"})->items,
      SizeIs(2));
  NodeFeatureWish nobody = wish();
  nobody.owners.emplace();
  const auto freed = plan_node_feature(json, nobody);
  ASSERT_TRUE(*freed);
  EXPECT_EQ(text::find_at(tree(**freed), {"metadata", "ownerReferences"}),
            nullptr);
}

TEST(NodeFeature, WhatIsNoObjectIsRefused) {
  for (const char* json : {"", "[]", "{}", R"({"metadata":null})",
                           R"({"metadata":{"name":7}})", "404 page"}) {
    const auto plan = plan_node_feature(json, wish());
    ASSERT_FALSE(plan) << json;
    EXPECT_EQ(plan.error().code(), ErrorCode::kCorrupt) << json;
    EXPECT_FALSE(owners_by_daemon_set(json)) << json;
  }
}

struct Pod {
  const char* owners;
  const char* found;
};

TEST(NodeFeature, OwnersAreThePodAndItsDaemonSet) {
  const std::vector<Pod> cases = {
      {R"([{"apiVersion":"apps/v1","kind":"DaemonSet","name":"d","uid":"du",
            "controller":true,"blockOwnerDeletion":true}])",
       "apps/v1 DaemonSet d du controller; v1 Pod p pu; "},
      {R"([{"apiVersion":"v1","kind":"Node","name":"n","uid":"nu"},
           {"apiVersion":"apps/v1","kind":"DaemonSet","name":"d","uid":"du"},
           {"apiVersion":"apps/v1","kind":"DaemonSet","name":"e","uid":"eu"}])",
       "apps/v1 DaemonSet d du controller; v1 Pod p pu; "},
      {R"([{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"r"}])", ""},
      {"[]", ""},
      {"null", ""},
      {R"("odd")", ""}};
  for (const Pod& one : cases) {
    const auto owners = owners_by_daemon_set(
        std::string(R"({"kind":"Pod","metadata":{"name":"p","uid":"pu",)") +
        R"("ownerReferences":)" + one.owners + "}}");
    ASSERT_TRUE(owners) << owners.error().message();
    std::string found;
    for (const OwnerReference& owner : *owners) {
      found += owner.api_version + " " + owner.kind + " " + owner.name + " " +
               owner.uid + (owner.is_controller ? " controller; " : "; ");
    }
    EXPECT_EQ(found, one.found);
  }
}

}  // namespace
}  // namespace gpunode::kube
