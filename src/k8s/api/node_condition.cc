#include "k8s/api/node_condition.h"

#include <utility>

#include "base/core/rfc3339.h"
#include "base/text/json_edit.h"
#include "base/text/tree.h"

namespace gpunode::kube {
namespace {

using text::Node;

constexpr std::size_t kMostMessage = 1024;

const char* status_text(NodeCondition::Status status) {
  switch (status) {
    case NodeCondition::Status::kTrue:
      return "True";
    case NodeCondition::Status::kFalse:
      return "False";
    case NodeCondition::Status::kUnknown:
      break;
  }
  return "Unknown";
}

/// At most kMostMessage bytes, none of them half a character.
std::string bounded(std::string text) {
  constexpr std::string_view kMore = "...";
  if (text.size() <= kMostMessage) return text;
  std::size_t size = kMostMessage - kMore.size();
  const auto continues = [&](std::size_t at) {
    return (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U;
  };
  while (size > 0 && continues(size)) --size;
  return text.substr(0, size).append(kMore);
}

const Node* condition_of(const Node& node, const std::string& type) {
  const Node* const all = text::find_at(node, {"status", "conditions"});
  if (all == nullptr) return nullptr;
  for (const Node& one : all->items) {
    if (text::string_at(one, {"type"}) == type) return &one;
  }
  return nullptr;
}

}  // namespace

Result<std::string> condition_patch(std::string_view node,
                                    const NodeCondition& condition,
                                    WallTime now) {
  TRY(const text::JsonValue value,
      text::read_json(node, "the API server's answer"));
  const Node root = text::tree_of(value);
  if (text::string_at(root, {"metadata", "name"}).empty()) {
    return Error(ErrorCode::kCorrupt,
                 "the API server's answer: a Node without a name");
  }
  const std::string status = status_text(condition.status);
  const std::string time = rfc3339(now);
  std::string since = time;
  if (const Node* const before = condition_of(root, condition.type);
      before != nullptr && text::string_at(*before, {"status"}) == status) {
    const std::string kept = text::string_at(*before, {"lastTransitionTime"});
    if (parse_time(kept)) since = kept;
  }
  Node item = text::mapping_node();
  const auto put = [&](const char* key, std::string text) {
    text::put_at(item, {key}, text::string_node(std::move(text)));
  };
  put("type", condition.type);
  put("status", status);
  put("reason", condition.reason);
  put("message", bounded(condition.message));
  put("lastHeartbeatTime", time);
  put("lastTransitionTime", since);
  Node conditions;
  conditions.kind = Node::Kind::kSequence;
  conditions.items.push_back(std::move(item));
  Node patch = text::mapping_node();
  text::put_at(patch, {"status", "conditions"}, std::move(conditions));
  return text::to_json(patch);
}

Result<void> write_node_condition(Client& client, const std::string& name,
                                  const NodeCondition& condition,
                                  WallTime now) {
  const ObjectKey key{"", name};
  TRY(const std::string node, client.get(nodes(), key));
  TRY(const std::string patch, condition_patch(node, condition, now));
  TRY_VOID(client.patch_status(nodes(), key, patch));
  return {};
}

}  // namespace gpunode::kube
