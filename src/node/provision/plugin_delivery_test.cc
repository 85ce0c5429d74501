#include "node/provision/plugin_delivery.h"

#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text/tree.h"
#include "base/text/yaml.h"

namespace gpunode::provision {
namespace {

using testing::HasSubstr;
using testing::Not;
using text::Node;

/// As the seed's: 20 shares, on nodes with its label, and two taints.
NodeSpec seed() {
  NodeSpec spec;
  spec.device_plugin.is_wanted = true;
  spec.device_plugin.config = "version: v1\nsharing: {}\n";
  spec.kubernetes.labels = {"nvidia.com/gpu.product=A10G"};
  spec.kubernetes.taints = {"nvidia.com/gpu=present:NoSchedule",
                            "team/ml:NoExecute"};
  return spec;
}

std::vector<Node> documents(std::string_view text) {
  std::vector<Node> all;
  while (!text.empty()) {
    EXPECT_TRUE(text.starts_with("---\n"));
    text.remove_prefix(4);
    const std::size_t end = std::min(text.find("\n---\n"), text.size() - 1) + 1;
    const auto document = text::parse_yaml(text.substr(0, end), "manifest");
    EXPECT_TRUE(document) << document.error().message();
    all.push_back(document->root);
    text.remove_prefix(end);
  }
  return all;
}

const Node& of_kind(const std::vector<Node>& all, std::string_view kind) {
  static const Node kNothing;
  for (const Node& node : all) {
    if (text::string_at(node, {"kind"}) == kind) return node;
  }
  ADD_FAILURE() << "no " << kind;
  return kNothing;
}

TEST(PluginDelivery, ValuesOfTheSeed) {
  EXPECT_EQ(chart_values(seed()), R"(config:
  map:
    default: |
      version: v1
      sharing: {}
  default: default
affinity:
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms:
        - matchExpressions:
            - key: nvidia.com/gpu.product
              operator: Exists
tolerations:
  - key: CriticalAddonsOnly
    operator: Exists
  - key: nvidia.com/gpu
    operator: Exists
    effect: NoSchedule
  - key: team/ml
    operator: Exists
    effect: NoExecute
)");
}

TEST(PluginDelivery, ValuesSayNothingThatTheChartDoesBySelf) {
  NodeSpec spec;
  EXPECT_EQ(chart_values(spec), "{}\n");
  spec.runtime.is_wanted = true;
  EXPECT_EQ(chart_values(spec), "{}\n");
  spec.runtime.gpu_mode = GpuMode::kRuntimeClass;
  EXPECT_EQ(chart_values(spec), "runtimeClassName: nvidia\n");
  spec.runtime.gpu_mode = GpuMode::kCdi;
  EXPECT_EQ(chart_values(spec), "deviceListStrategy: cdi-annotations\n");
  spec.device_plugin.names_list_strategy = true;
  EXPECT_EQ(chart_values(spec), "{}\n");
}

TEST(PluginDelivery, TheManifestHasTheConfigurationAndBearsTheTaints) {
  const auto made = plugin_manifest(seed(), "registry.example/agent:1");
  ASSERT_TRUE(made) << made.error().message();
  const auto all = documents(*made);
  EXPECT_EQ(text::string_at(of_kind(all, "ConfigMap"), {"data", "default"}),
            seed().device_plugin.config);
  const Node& pod =
      *text::find_at(of_kind(all, "DaemonSet"), {"spec", "template", "spec"});
  EXPECT_EQ(text::string_at(text::find_at(pod, {"containers"})->items.at(0),
                            {"image"}),
            "registry.example/agent:1");
  EXPECT_NE(text::find_at(pod, {"affinity", "nodeAffinity"}), nullptr);
  EXPECT_EQ(text::string_at(text::find_at(pod, {"tolerations"})->items.back(),
                            {"key"}),
            "team/ml");
  EXPECT_EQ(text::find_at(pod, {"runtimeClassName"}), nullptr);
  // Another configuration is another template, and so other Pods.
  NodeSpec other = seed();
  other.device_plugin.config = "version: v1\n";
  const auto sum = [](const std::vector<Node>& documents) {
    return text::string_at(
        of_kind(documents, "DaemonSet"),
        {"spec", "template", "metadata", "annotations", "checksum/config"});
  };
  EXPECT_NE(sum(all), sum(documents(*plugin_manifest(other, ""))));
}

TEST(PluginDelivery, TheManifestWithoutAConfigurationHasNoConfigMap) {
  NodeSpec spec;
  spec.runtime.is_wanted = true;
  spec.runtime.gpu_mode = GpuMode::kRuntimeClass;
  const auto made = plugin_manifest(spec, "");
  ASSERT_TRUE(made);
  EXPECT_THAT(*made, Not(HasSubstr("ConfigMap")));
  const auto all = documents(*made);
  EXPECT_EQ(text::string_at(of_kind(all, "RuntimeClass"), {"handler"}),
            "nvidia");
  EXPECT_EQ(text::string_at(of_kind(all, "DaemonSet"),
                            {"spec", "template", "spec", "runtimeClassName"}),
            "nvidia");
}

TEST(PluginDelivery, CdiIsTheChartsToSeeTo) {
  NodeSpec spec = seed();
  spec.runtime.is_wanted = true;
  spec.runtime.gpu_mode = GpuMode::kCdi;
  const auto made = plugin_manifest(spec, "");
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message(), HasSubstr("--as values"));
}

}  // namespace
}  // namespace gpunode::provision
