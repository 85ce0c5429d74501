#include "node/provision/plugin_delivery.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/digest/digest.h"
#include "base/text/tree.h"
#include "base/text/yaml.h"
#include "base/text/yaml_writer.h"
#include "node/provision/plugin_manifests.h"

namespace gpunode::provision {
namespace {

using text::Node;

// By which the seed, and NVIDIA's own examples, find nodes with GPUs.
constexpr std::string_view kProductLabel = "nvidia.com/gpu.product";
constexpr std::string_view kTolerated = "nvidia.com/gpu";
constexpr const char* kRuntimeClass = "nvidia";

Node list(std::vector<Node> items) {
  Node node;
  node.kind = Node::Kind::kSequence;
  node.items = std::move(items);
  return node;
}

/// A Pod for nodes that have the label, whatever its value; nothing where the
/// file does not say that this node has it.
std::optional<Node> affinity(const NodeSpec& spec) {
  const bool has_label =
      std::ranges::any_of(spec.kubernetes.labels, [](const std::string& label) {
        return label.substr(0, label.find('=')) == kProductLabel;
      });
  if (!has_label) return std::nullopt;
  Node expression = text::mapping_node();
  text::put_at(expression, {"key"},
               text::string_node(std::string(kProductLabel)));
  text::put_at(expression, {"operator"}, text::string_node("Exists"));
  Node term = text::mapping_node();
  text::put_at(term, {"matchExpressions"}, list({std::move(expression)}));
  Node node = text::mapping_node();
  text::put_at(
      node,
      {"nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution",
       "nodeSelectorTerms"},
      list({std::move(term)}));
  return node;
}

/// What a Pod must bear beside what the chart's bears: "key=value:Effect" or
/// "key:Effect" of the file.
std::vector<Node> tolerations(const NodeSpec& spec) {
  std::vector<Node> all;
  for (const std::string& taint : spec.kubernetes.taints) {
    const std::size_t colon = taint.rfind(':');
    const std::string key = taint.substr(0, std::min(taint.find('='), colon));
    const std::string effect = taint.substr(colon + 1);
    if (key == kTolerated && effect == "NoSchedule") continue;
    Node one = text::mapping_node();
    text::put_at(one, {"key"}, text::string_node(key));
    text::put_at(one, {"operator"}, text::string_node("Exists"));
    text::put_at(one, {"effect"}, text::string_node(effect));
    all.push_back(std::move(one));
  }
  return all;
}

/// Those that the chart has by itself: a list of values takes their place.
std::vector<Node> chart_tolerations() {
  Node addons = text::mapping_node();
  text::put_at(addons, {"key"}, text::string_node("CriticalAddonsOnly"));
  text::put_at(addons, {"operator"}, text::string_node("Exists"));
  Node gpu = text::mapping_node();
  text::put_at(gpu, {"key"}, text::string_node(std::string(kTolerated)));
  text::put_at(gpu, {"operator"}, text::string_node("Exists"));
  text::put_at(gpu, {"effect"}, text::string_node("NoSchedule"));
  return {std::move(addons), std::move(gpu)};
}

bool needs_cdi(const NodeSpec& spec) {
  return spec.runtime.is_wanted && spec.runtime.gpu_mode == GpuMode::kCdi;
}

bool needs_runtime_class(const NodeSpec& spec) {
  return spec.runtime.is_wanted &&
         spec.runtime.gpu_mode == GpuMode::kRuntimeClass;
}

Node* find_item(Node& list, std::string_view name) {
  for (Node& item : list.items) {
    if (text::string_at(item, {"name"}) == name) return &item;
  }
  return nullptr;
}

Node* find_entry(Node& mapping, std::string_view key) {
  for (text::Entry& entry : mapping.entries) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

Node* descend(Node& root, const text::KeyPath& path) {
  Node* node = &root;
  for (const std::string& key : path) {
    node = find_entry(*node, key);
    if (node == nullptr) return nullptr;
  }
  return node;
}

Result<void> fill_in(const NodeSpec& spec, const std::string& image,
                     Node& document) {
  const std::string kind = text::string_at(document, {"kind"});
  if (kind == "ConfigMap") {
    text::put_at(document, {"data", "default"},
                 text::string_node(spec.device_plugin.config));
    return {};
  }
  if (kind != "DaemonSet") return {};
  Node* pod = descend(document, {"spec", "template", "spec"});
  Node* containers = pod == nullptr ? nullptr : find_entry(*pod, "containers");
  Node* agent =
      containers == nullptr ? nullptr : find_item(*containers, "gpunode-agent");
  if (agent == nullptr) {
    return Error(ErrorCode::kInternal,
                 "the manifest that gpunode was built with has no "
                 "gpunode-agent");
  }
  if (!image.empty()) {
    text::put_at(*agent, {"image"}, text::string_node(image));
  }
  if (!spec.device_plugin.config.empty()) {
    // Other Pods, when it is another configuration.
    text::put_at(
        document,
        {"spec", "template", "metadata", "annotations", "checksum/config"},
        text::string_node(digest::sha256(spec.device_plugin.config)));
  }
  if (auto node = affinity(spec)) {
    text::put_at(*pod, {"affinity"}, *std::move(node));
  }
  if (needs_runtime_class(spec)) {
    text::put_at(*pod, {"runtimeClassName"}, text::string_node(kRuntimeClass));
  }
  if (Node* borne = find_entry(*pod, "tolerations")) {
    for (Node& one : tolerations(spec)) borne->items.push_back(std::move(one));
  }
  return {};
}

}  // namespace

std::string chart_values(const NodeSpec& spec) {
  Node values = text::mapping_node();
  if (!spec.device_plugin.config.empty()) {
    text::put_at(values, {"config", "map", "default"},
                 text::string_node(spec.device_plugin.config));
    text::put_at(values, {"config", "default"}, text::string_node("default"));
  }
  if (auto node = affinity(spec)) {
    text::put_at(values, {"affinity"}, *std::move(node));
  }
  if (auto more = tolerations(spec); !more.empty()) {
    std::vector<Node> all = chart_tolerations();
    std::ranges::move(more, std::back_inserter(all));
    text::put_at(values, {"tolerations"}, list(std::move(all)));
  }
  if (needs_runtime_class(spec)) {
    text::put_at(values, {"runtimeClassName"},
                 text::string_node(kRuntimeClass));
  }
  if (needs_cdi(spec) && !spec.device_plugin.names_list_strategy) {
    text::put_at(values, {"deviceListStrategy"},
                 text::string_node("cdi-annotations"));
  }
  return text::write_yaml(values);
}

Result<std::string> plugin_manifest(const NodeSpec& spec,
                                    const std::string& image) {
  if (needs_cdi(spec)) {
    return Error(ErrorCode::kInvalidArgument,
                 "`spec.runtime.gpu.mode: cdi` wants directories and rights of "
                 "the plugin's Pod that the manifest does not have; the chart "
                 "sees to them: `--as values`");
  }
  std::string_view rest =
      spec.device_plugin.config.empty() ? kPlainManifest : kConfiguredManifest;
  constexpr std::string_view kSeparator = "---\n";
  rest.remove_prefix(rest.find(kSeparator));  // The words before are of a file.
  std::string made;
  if (needs_runtime_class(spec)) {
    Node runtime_class = text::mapping_node();
    text::put_at(runtime_class, {"apiVersion"},
                 text::string_node("node.k8s.io/v1"));
    text::put_at(runtime_class, {"kind"}, text::string_node("RuntimeClass"));
    text::put_at(runtime_class, {"metadata", "name"},
                 text::string_node(kRuntimeClass));
    text::put_at(runtime_class, {"handler"}, text::string_node(kRuntimeClass));
    made = fmt::format("{}{}", kSeparator, text::write_yaml(runtime_class));
  }
  while (!rest.empty()) {
    rest.remove_prefix(kSeparator.size());
    const std::size_t end = std::min(rest.find("\n---\n"), rest.size() - 1) + 1;
    TRY(auto document, text::parse_yaml(rest.substr(0, end), "deploy/static"));
    TRY_VOID(fill_in(spec, image, document.root));
    made += fmt::format("{}{}", kSeparator, text::write_yaml(document.root));
    rest.remove_prefix(end);
  }
  return made;
}

}  // namespace gpunode::provision
