#include "k8s/api/resource_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace gpunode::kube {
namespace {

using testing::HasSubstr;

TEST(ResourcePath, IsThatOfTheApi) {
  EXPECT_EQ(*object_path(nodes(), {"", "gpu-1.example"}),
            "/api/v1/nodes/gpu-1.example");
  EXPECT_EQ(*object_path(config_maps(), {"kube-system", "x"}),
            "/api/v1/namespaces/kube-system/configmaps/x");
  EXPECT_EQ(*object_path(node_features(), {"nfd", "n"}),
            "/apis/nfd.k8s-sigs.io/v1alpha1/namespaces/nfd/nodefeatures/n");
  EXPECT_EQ(*collection_path(config_maps(), ""), "/api/v1/configmaps");
  EXPECT_EQ(*collection_path(nodes(), ""), "/api/v1/nodes");
  EXPECT_EQ(*version_path(events()), "/apis/events.k8s.io/v1");
}

TEST(ResourcePath, NoNameLeadsElsewhere) {
  const std::string names[] = {"",
                               ".",
                               "..",
                               "a/b",
                               "../x",
                               "a?b",
                               "a%2fb",
                               "A",
                               "a b",
                               "a\n",
                               "-a",
                               "a-",
                               "a..b",
                               "a.",
                               ".a",
                               "a_b",
                               "a#b",
                               "\xc3\xa4",
                               std::string(254, 'a'),
                               std::string("a\0b", 3)};
  for (const std::string& name : names) {
    EXPECT_FALSE(object_path(nodes(), {"", name})) << name;
    EXPECT_FALSE(object_path(config_maps(), {name, "x"})) << name;
    EXPECT_FALSE(object_path(config_maps(), {"x", name})) << name;
    if (!name.empty()) {
      EXPECT_FALSE(object_path({name, "v1", "x", false}, {"", "x"})) << name;
    }
    EXPECT_FALSE(object_path({"", name, "x", false}, {"", "x"})) << name;
    EXPECT_FALSE(object_path({"", "v1", name, false}, {"", "x"})) << name;
  }
  const auto refused = object_path(nodes(), {"", "a\nb"});
  EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(refused.error().message(), HasSubstr(R"("a\nb")"));
}

TEST(ResourcePath, WhateverIsAcceptedIsOneSegment) {
  EXPECT_TRUE(rc::check([](const std::string& name) {
    const auto path = object_path(nodes(), {"", name});
    if (!path) return;
    RC_ASSERT(*path == "/api/v1/nodes/" + name);
    RC_ASSERT(name.find_first_of("/?#%\\ ") == std::string::npos);
  }));
}

TEST(ResourcePath, LabelsAreShorterThanSubdomains) {
  EXPECT_TRUE(is_dns_label(std::string(63, 'a')));
  EXPECT_FALSE(is_dns_label(std::string(64, 'a')));
  EXPECT_FALSE(is_dns_label("a.b"));
  EXPECT_TRUE(is_dns_subdomain(std::string(253, 'a')));
}

TEST(ResourcePath, QueriesAreEscaped) {
  EXPECT_EQ(escape_query("metadata.name=a&b c/\n~_-"),
            "metadata.name%3Da%26b%20c%2F%0A~_-");
}

}  // namespace
}  // namespace gpunode::kube
