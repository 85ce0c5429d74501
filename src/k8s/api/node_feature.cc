#include "k8s/api/node_feature.h"

#include <utility>

#include "base/text/json_edit.h"
#include "base/text/tree.h"

namespace gpunode::kube {
namespace {

using text::Node;

constexpr const char* kSource = "the API server's answer";

Node owner_node(const OwnerReference& owner) {
  Node node = text::mapping_node();
  text::put_at(node, {"apiVersion"}, text::string_node(owner.api_version));
  text::put_at(node, {"kind"}, text::string_node(owner.kind));
  text::put_at(node, {"name"}, text::string_node(owner.name));
  text::put_at(node, {"uid"}, text::string_node(owner.uid));
  if (owner.is_controller) {
    text::put_at(node, {"controller"}, text::bool_node(true));
  }
  return node;
}

/// The three maps are there, if empty: the CRD requires them.
Node spec_node(const MetaTexts& labels) {
  Node spec = text::mapping_node();
  for (const char* kind : {"flags", "attributes", "instances"}) {
    text::put_at(spec, {"features", kind}, text::mapping_node());
  }
  text::put_at(spec, {"labels"}, text::mapping_node());
  for (const auto& [key, value] : labels) {
    text::put_at(spec, {"labels", key}, text::string_node(value));
  }
  return spec;
}

/// Takes away what is null or empty, as deep first as the paths stand: of an
/// empty map and none, neither client nor server makes a difference. Not below
/// them, where a flag is a key of an empty map.
Node without_empty_parts(Node object) {
  for (const text::KeyPath& path : {text::KeyPath{"spec", "features", "flags"},
                                    {"spec", "features", "attributes"},
                                    {"spec", "features", "instances"},
                                    {"spec", "features"},
                                    {"spec", "labels"},
                                    {"spec"},
                                    {"metadata", "labels"},
                                    {"metadata", "ownerReferences"}}) {
    const Node* const part = text::find_at(object, path);
    if (part == nullptr) continue;
    const bool is_empty =
        part->is(Node::Kind::kNull) ||
        (part->is(Node::Kind::kMapping) && part->entries.empty()) ||
        (part->is(Node::Kind::kSequence) && part->items.empty());
    if (is_empty) text::erase_at(object, path);
  }
  return object;
}

void fulfil(const NodeFeatureWish& wish, Node& object) {
  Node labels = text::mapping_node();
  text::put_at(labels, {"nfd.node.kubernetes.io/node-name"},
               text::string_node(wish.node));
  text::put_at(object, {"metadata", "labels"}, std::move(labels));
  text::put_at(object, {"spec"}, spec_node(wish.labels));
  if (!wish.owners) return;
  const text::KeyPath path = {"metadata", "ownerReferences"};
  if (wish.owners->empty()) return text::erase_at(object, path);
  Node owners = text::list_node({});
  for (const OwnerReference& owner : *wish.owners) {
    owners.items.push_back(owner_node(owner));
  }
  text::put_at(object, path, std::move(owners));
}

Result<Node> read_named(std::string_view json, const char* what) {
  TRY(const text::JsonValue value, text::read_json(json, kSource));
  Node root = text::tree_of(value);
  if (text::string_at(root, {"metadata", "name"}).empty()) {
    return Error(ErrorCode::kCorrupt,
                 std::string(kSource) + ": a " + what + " without a name");
  }
  return root;
}

}  // namespace

std::string node_feature_name(std::string_view node) {
  return "nvidia-features-for-" + std::string(node);
}

std::string node_feature_json(const NodeFeatureWish& wish) {
  Node object = text::mapping_node();
  text::put_at(object, {"apiVersion"},
               text::string_node("nfd.k8s-sigs.io/v1alpha1"));
  text::put_at(object, {"kind"}, text::string_node("NodeFeature"));
  text::put_at(object, {"metadata", "name"},
               text::string_node(node_feature_name(wish.node)));
  fulfil(wish, object);
  return text::to_json(object);
}

Result<std::optional<std::string>> plan_node_feature(
    std::string_view json, const NodeFeatureWish& wish) {
  TRY(const Node before, read_named(json, "NodeFeature"));
  Node after = before;
  fulfil(wish, after);
  if (text::same_tree(without_empty_parts(before),
                      without_empty_parts(after))) {
    return std::optional<std::string>();
  }
  text::erase_at(after, {"metadata", "managedFields"});  // The server's own.
  return std::optional<std::string>(text::to_json(after));
}

Result<std::vector<OwnerReference>> owners_by_daemon_set(
    std::string_view json) {
  TRY(const Node pod, read_named(json, "Pod"));
  const std::string uid = text::string_at(pod, {"metadata", "uid"});
  std::vector<OwnerReference> owners;
  const Node* const list = text::find_at(pod, {"metadata", "ownerReferences"});
  if (list == nullptr || uid.empty()) return owners;
  for (const Node& item : list->items) {
    if (text::string_at(item, {"kind"}) != "DaemonSet") continue;
    owners.push_back({text::string_at(item, {"apiVersion"}), "DaemonSet",
                      text::string_at(item, {"name"}),
                      text::string_at(item, {"uid"}), true});
    owners.push_back(
        {"v1", "Pod", text::string_at(pod, {"metadata", "name"}), uid, false});
    break;
  }
  return owners;
}

}  // namespace gpunode::kube
