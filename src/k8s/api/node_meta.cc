#include "k8s/api/node_meta.h"

#include <utility>

#include <fmt/format.h>

#include "base/text/json_edit.h"
#include "base/text/tree.h"

namespace gpunode::kube {
namespace {

using text::Node;

NodeMeta::Fields read_texts(const Node& root, const std::string& name) {
  NodeMeta::Fields fields;
  const Node* const texts = text::find_at(root, {"metadata", name});
  if (texts == nullptr) return fields;
  for (const text::Entry& entry : texts->entries) {
    if (entry.value.is(Node::Kind::kString)) {
      fields[entry.key].value = entry.value.scalar;
    }
  }
  return fields;
}

/// FieldsV1 calls the field x "f:x".
void read_owner(const Node& owner, std::string_view manager,
                const std::string& name, NodeMeta::Fields& fields) {
  const Node* const owned =
      text::find_at(owner, {"fieldsV1", "f:metadata", "f:" + name});
  if (owned == nullptr) return;
  const std::string who = text::string_at(owner, {"manager"});
  // Under our name, but not applied: a program of that name that patched.
  const bool is_ours = who == manager &&
                       text::string_at(owner, {"operation"}) == "Apply" &&
                       text::string_at(owner, {"subresource"}).empty();
  for (const text::Entry& entry : owned->entries) {
    if (!entry.key.starts_with("f:")) continue;
    const auto field = fields.find(std::string_view(entry.key).substr(2));
    if (field == fields.end()) continue;
    if (is_ours) {
      field->second.is_ours = true;
    } else {
      field->second.other = who.empty() ? "an unnamed manager" : who;
    }
  }
}

/// Gathers what the apply shall name, of labels or of annotations.
class Gathering {
 public:
  Gathering(const char* noun, const NodeMeta::Fields& fields,
            bool is_overwriting, NodePlan& plan)
      : noun_(noun),
        fields_(fields),
        is_overwriting_(is_overwriting),
        plan_(plan) {}

  void keep(const std::string& key) { texts_[key] = fields_.at(key).value; }

  void want(const std::string& key, const std::string& value) {
    const auto there = fields_.find(key);
    if (there == fields_.end() || is_overwriting_) {
      texts_[key] = value;
      return;
    }
    const NodeMeta::Field& field = there->second;
    const bool is_same = field.value == value;
    const bool is_free = field.is_ours && (is_same || field.other.empty());
    if (is_free) {
      texts_[key] = value;
    } else if (!is_same) {
      plan_.left_alone.push_back(fmt::format(
          "{} {} is {:?}, written by {}; {:?} would be right", noun_, key,
          field.value, field.other.empty() ? "somebody else" : field.other,
          value));
    }
  }

  /// Whether our name stands for exactly this already.
  bool is_done() const {
    std::size_t ours = 0;
    for (const auto& [key, field] : fields_) {
      if (!field.is_ours) continue;
      ++ours;
      const auto wanted = texts_.find(key);
      if (wanted == texts_.end() || wanted->second != field.value) return false;
    }
    return ours == texts_.size();
  }

  const MetaTexts& texts() const { return texts_; }

 private:
  const char* noun_;
  const NodeMeta::Fields& fields_;
  bool is_overwriting_;
  NodePlan& plan_;
  MetaTexts texts_;
};

void gather_labels(const NodeMeta& node, const NodeWish& wish,
                   Gathering& gathering) {
  if (wish.labels) {
    for (const auto& [key, value] : *wish.labels) gathering.want(key, value);
    return;
  }
  for (const auto& [key, field] : node.labels) {
    if (field.is_ours) gathering.keep(key);
  }
}

void gather_annotations(const NodeMeta& node, const NodeWish& wish,
                        Gathering& gathering) {
  for (const auto& [key, field] : node.annotations) {
    if (field.is_ours && !wish.annotations.contains(key)) gathering.keep(key);
  }
  for (const auto& [key, value] : wish.annotations) {
    if (value) gathering.want(key, *value);
  }
}

std::string body_of(const NodeMeta& node, const MetaTexts& labels,
                    const MetaTexts& annotations) {
  Node body = text::mapping_node();
  const auto put = [&](const text::KeyPath& path, const std::string& value) {
    text::put_at(body, path, text::string_node(value));
  };
  put({"apiVersion"}, "v1");
  put({"kind"}, "Node");
  put({"metadata", "name"}, node.name);
  put({"metadata", "uid"}, node.uid);
  for (const auto& [key, value] : labels) {
    put({"metadata", "labels", key}, value);
  }
  for (const auto& [key, value] : annotations) {
    put({"metadata", "annotations", key}, value);
  }
  return text::to_json(body);
}

}  // namespace

Result<NodeMeta> read_node_meta(std::string_view json,
                                std::string_view manager) {
  TRY(const text::JsonValue value,
      text::read_json(json, "the API server's answer"));
  const Node root = text::tree_of(value);
  NodeMeta node;
  node.name = text::string_at(root, {"metadata", "name"});
  node.uid = text::string_at(root, {"metadata", "uid"});
  if (node.name.empty() || node.uid.empty()) {
    return Error(ErrorCode::kCorrupt,
                 "the API server's answer: a Node without name or uid");
  }
  node.resource_version =
      text::string_at(root, {"metadata", "resourceVersion"});
  node.labels = read_texts(root, "labels");
  node.annotations = read_texts(root, "annotations");
  const Node* const owners = text::find_at(root, {"metadata", "managedFields"});
  if (owners == nullptr) return node;
  for (const Node& owner : owners->items) {
    read_owner(owner, manager, "labels", node.labels);
    read_owner(owner, manager, "annotations", node.annotations);
  }
  return node;
}

NodePlan plan_apply(const NodeMeta& node, const NodeWish& wish,
                    bool is_overwriting) {
  NodePlan plan;
  Gathering labels("label", node.labels, is_overwriting, plan);
  gather_labels(node, wish, labels);
  Gathering annotations("annotation", node.annotations, is_overwriting, plan);
  gather_annotations(node, wish, annotations);
  if (labels.is_done() && annotations.is_done()) return plan;
  plan.body = body_of(node, labels.texts(), annotations.texts());
  return plan;
}

}  // namespace gpunode::kube
