#include "k8s/api/label_loan.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/text/json_edit.h"
#include "base/text/tree.h"

namespace gpunode::kube {
namespace {

using text::Node;

const std::string* value_of(const NodeMeta::Fields& fields,
                            std::string_view key) {
  const auto at = fields.find(key);
  return at == fields.end() ? nullptr : &at->second.value;
}

Node mapping_of(const MetaTexts& texts) {
  Node mapping = text::mapping_node();
  for (const auto& [key, value] : texts) {
    text::put_at(mapping, {key}, text::string_node(value));
  }
  return mapping;
}

/// `memory` empty: the annotation goes.
std::string patch_of(const NodeMeta& node, const std::string& annotation,
                     const MetaTexts& labels, const MetaTexts& memory) {
  Node body = text::mapping_node();
  text::put_at(body, {"metadata", "uid"}, text::string_node(node.uid));
  if (!node.resource_version.empty()) {
    text::put_at(body, {"metadata", "resourceVersion"},
                 text::string_node(node.resource_version));
  }
  text::put_at(body, {"metadata", "annotations", annotation},
               memory.empty()
                   ? Node()
                   : text::string_node(text::to_json(mapping_of(memory))));
  if (!labels.empty()) {
    text::put_at(body, {"metadata", "labels"}, mapping_of(labels));
  }
  return text::to_json(body);
}

LoanPlan plan_taking(const NodeMeta& node, const LabelLoan& loan,
                     const MetaTexts& before) {
  LoanPlan plan;
  MetaTexts memory = before;
  MetaTexts labels;
  for (const std::string& key : loan.labels) {
    const std::string* const now = value_of(node.labels, key);
    if (now == nullptr) continue;
    plan.has_switches = true;
    if (*now == loan.value) continue;
    if (!loan.busy_prefix.empty() && now->starts_with(loan.busy_prefix)) {
      plan.is_busy = true;
      plan.waiting.push_back(fmt::format(
          "label {} is {:?}: whoever wrote that writes it again when done; it "
          "is set to {:?} after that",
          key, *now, loan.value));
      continue;
    }
    plan.changes.push_back(
        fmt::format("label {} is {:?} now, was {:?}", key, loan.value, *now));
    labels[key] = loan.value;
    memory[key] = *now;
  }
  // A switch that is no longer wished for goes back to how it stood.
  for (const auto& [key, before_loan] : before) {
    if (std::ranges::find(loan.labels, key) != loan.labels.end()) continue;
    const std::string* const now = value_of(node.labels, key);
    if (now != nullptr && *now == loan.value) {
      plan.changes.push_back(fmt::format("label {} is {:?} again, was {:?}",
                                         key, before_loan, *now));
      labels[key] = before_loan;
      memory.erase(key);
    }
  }
  if (!labels.empty()) {
    plan.patch = patch_of(node, loan.annotation, labels, memory);
  }
  return plan;
}

LoanPlan plan_return(const NodeMeta& node, const LabelLoan& loan,
                     const MetaTexts& memory) {
  LoanPlan plan;
  if (value_of(node.annotations, loan.annotation) == nullptr) return plan;
  MetaTexts labels;
  for (const auto& [key, before] : memory) {
    const std::string* const now = value_of(node.labels, key);
    if (now != nullptr && *now == loan.value) {
      plan.changes.push_back(
          fmt::format("label {} is {:?} again, was {:?}", key, before, *now));
      labels[key] = before;
    } else {
      plan.waiting.push_back(fmt::format(
          "label {} {}, which somebody else has done since {:?} was remembered",
          key,
          now == nullptr ? std::string("is gone")
                         : fmt::format("is {:?}", *now),
          before));
    }
  }
  plan.patch = patch_of(node, loan.annotation, labels, {});
  return plan;
}

}  // namespace

std::optional<MetaTexts> remembered_labels(std::string_view annotation) {
  const auto read = text::read_json(annotation, "annotation");
  if (!read) return std::nullopt;
  const Node& root = text::tree_of(*read);
  if (!root.is(Node::Kind::kMapping)) return std::nullopt;
  MetaTexts memory;
  for (const text::Entry& entry : root.entries) {
    if (!entry.value.is(Node::Kind::kString)) return std::nullopt;
    memory[entry.key] = entry.value.scalar;
  }
  return memory;
}

LoanPlan plan_loan(const NodeMeta& node, const LabelLoan& loan) {
  const std::string* const annotation =
      value_of(node.annotations, loan.annotation);
  const auto memory = annotation == nullptr
                          ? std::optional<MetaTexts>(MetaTexts())
                          : remembered_labels(*annotation);
  if (!memory) {
    // Written over, what stood there would be lost.
    LoanPlan plan;
    plan.waiting.push_back(fmt::format(
        "annotation {} of the Node is not what gpunode wrote, so what the "
        "labels were is not known: set them by hand, then remove it",
        loan.annotation));
    return plan;
  }
  return loan.is_giving_back ? plan_return(node, loan, *memory)
                             : plan_taking(node, loan, *memory);
}

}  // namespace gpunode::kube
