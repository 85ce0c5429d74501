#include "node/rollout/node_look.h"

#include <charconv>

#include <fmt/format.h>

#include "node/diagnose/node_check.h"
#include "node/rollout/object_view.h"

namespace gpunode::rollout {
namespace {

using text::Node;

/// MIG's and shared ones among them: what Pods ask GPUs by.
std::uint64_t gpus_of(const Node& node) {
  const Node* const all = text::find_at(node, {"status", "allocatable"});
  std::uint64_t sum = 0;
  if (all == nullptr) return sum;
  for (const text::Entry& entry : all->entries) {
    const bool is_gpu = entry.key.starts_with("nvidia.com/gpu") ||
                        entry.key.starts_with("nvidia.com/mig-");
    if (!is_gpu) continue;
    const std::string& digits = entry.value.scalar;
    std::uint64_t count = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), count);
    sum += count;
  }
  return sum;
}

std::string attention_of(const Node& node) {
  const Node* const condition = condition_at(node, diagnose::kConditionType);
  if (text_in(condition, "status") != "True") return {};
  for (const char* key : {"message", "reason"}) {
    if (auto words = text_in(condition, key); !words.empty()) return words;
  }
  return "no words";
}

}  // namespace

Result<NodeLook> read_node(std::string_view json) {
  TRY(const Node node, read_object(json));
  NodeLook look;
  look.name = text::string_at(node, {"metadata", "name"});
  if (look.name.empty()) {
    return Error(ErrorCode::kCorrupt,
                 "the API server's answer: a Node without a name");
  }
  look.version = {text::string_at(node, {"metadata", "uid"}),
                  text::string_at(node, {"metadata", "resourceVersion"})};
  look.is_cordoned = is_true_at(node, {"spec", "unschedulable"});
  for (const char* role : {"node-role.kubernetes.io/control-plane",
                           "node-role.kubernetes.io/master"}) {
    const Node* const label = text::find_at(node, {"metadata", "labels", role});
    if (label != nullptr) look.is_control_plane = true;
  }
  look.bring_label = text::string_at(node, {"metadata", "labels", kBringLabel});
  look.gpus = gpus_of(node);
  const Node* const ready = condition_at(node, "Ready");
  look.is_ready = text_in(ready, "status") == "True";
  look.ready_words = text_in(ready, "message");
  look.attention = attention_of(node);
  look.done_digest =
      text::string_at(node, {"metadata", "annotations", kRolledOutAnnotation});
  const std::string mark =
      text::string_at(node, {"metadata", "annotations", kRolloutAnnotation});
  if (mark.empty()) return look;
  auto read = read_mark(mark);
  if (read) {
    look.mark = *std::move(read);
  } else {
    look.mark_trouble = read.error().message();
  }
  return look;
}

std::vector<std::string> complaints_of(const NodeLook& node,
                                       std::uint64_t gpus_before,
                                       bool allows_fewer_gpus) {
  std::vector<std::string> complaints;
  if (!node.is_ready) {
    complaints.push_back(
        fmt::format("it is not Ready: {}", node.ready_words.empty()
                                               ? "its kubelet says nothing"
                                               : node.ready_words));
  }
  if (node.gpus < gpus_before && !allows_fewer_gpus) {
    complaints.push_back(fmt::format(
        "it offers {} GPUs and offered {} before (--allow-fewer-gpus if the "
        "file means that)",
        node.gpus, gpus_before));
  }
  if (!node.attention.empty()) {
    complaints.push_back(fmt::format("condition {}: {}",
                                     diagnose::kConditionType, node.attention));
  }
  return complaints;
}

}  // namespace gpunode::rollout
