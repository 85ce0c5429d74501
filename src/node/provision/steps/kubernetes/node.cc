// kubernetes.node: labels and taints of a node that is in its cluster already.

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "node/provision/file_plan.h"
#include "node/provision/packages/lines.h"
#include "node/provision/steps/kubernetes/node_identity.h"
#include "node/provision/steps/steps.h"

namespace gpunode::provision {
namespace {

/// What a file of node_meta_text() says.
struct Given {
  std::vector<std::string> labels;
  std::vector<std::string> taints;
};

Given given_by(const facts::HostFacts& facts) {
  Given given;
  const auto found = facts.files.find(kNodeMetaPath);
  if (found == facts.files.end() || !found->second.content) return given;
  constexpr std::string_view kLabel = "label ";
  constexpr std::string_view kTaint = "taint ";
  for (const std::string_view line :
       packages::lines_of(*found->second.content)) {
    if (line.starts_with(kLabel)) {
      given.labels.emplace_back(line.substr(kLabel.size()));
    } else if (line.starts_with(kTaint)) {
      given.taints.emplace_back(line.substr(kTaint.size()));
    }
  }
  return given;
}

std::string key_of_label(const std::string& label) {
  return label.substr(0, label.find('='));
}

/// "key:Effect": what tells one taint from another.
std::string key_of_taint(const std::string& taint) {
  const std::size_t colon = taint.rfind(':');
  return taint.substr(0, std::min(taint.find('='), colon)) +
         taint.substr(colon);
}

template <class KeyOf>
std::vector<std::string> gone(const std::vector<std::string>& before,
                              const std::vector<std::string>& now,
                              const KeyOf& key_of) {
  std::vector<std::string> keys;
  for (const std::string& one : before) {
    const std::string key = key_of(one);
    const bool stays = std::ranges::any_of(
        now, [&](const std::string& other) { return key_of(other) == key; });
    if (!stays) keys.push_back(key);
  }
  return keys;
}

std::vector<std::string> fresh(const std::vector<std::string>& before,
                               const std::vector<std::string>& now) {
  std::vector<std::string> added;
  for (const std::string& one : now) {
    if (std::ranges::find(before, one) == before.end()) added.push_back(one);
  }
  return added;
}

class KubernetesNode final : public Step {
 public:
  std::string_view id() const override { return "kubernetes.node"; }
  std::string_view title() const override {
    return "the node has the labels and taints of the file";
  }
  std::string_view reason() const override {
    return "the device plugin and Pods for GPUs find their nodes by them";
  }
  std::vector<std::string> counts_on() const override {
    return {"kubernetes.join"};
  }

  facts::Wanted wants(const NodeSpec& spec) const override {
    if (!spec.kubernetes.is_wanted) return {};
    return identity_wants(spec);
  }

  StepPlan plan(const PlanInput& input) const override {
    const KubernetesSpec& spec = input.spec.kubernetes;
    if (!spec.is_wanted) {
      return StepPlan::not_wanted("spec.kubernetes is not in the file");
    }
    const auto joined = joined_cluster(input.facts);
    if (!joined || !*joined) {
      return StepPlan::not_wanted(
          spec.join.is_wanted
              ? "kubernetes.join gives them to the node when it is registered"
              : "the host is no node, and `join` is not in the file");
    }
    if (spec.join.is_wanted &&
        !is_wanted_cluster(**joined, spec.join, input.facts)) {
      return StepPlan::not_wanted("the host is a node of another cluster");
    }
    const Given before = given_by(input.facts);
    if (spec.labels.empty() && spec.taints.empty() && before.labels.empty() &&
        before.taints.empty()) {
      return StepPlan::not_wanted("the file asks for no labels and no taints");
    }
    SetNodeMeta set;
    set.node = node_name(input.facts);
    set.labels = fresh(before.labels, spec.labels);
    set.removed_labels = gone(before.labels, spec.labels, key_of_label);
    set.taints = fresh(before.taints, spec.taints);
    set.removed_taints = gone(before.taints, spec.taints, key_of_taint);
    StepPlan plan;
    const bool is_same = set.labels.empty() && set.removed_labels.empty() &&
                         set.taints.empty() && set.removed_taints.empty();
    if (!is_same) {
      plan.state = StepState::kChange;
      plan.why = "the node was given others";
      plan.actions.emplace_back(std::move(set));
    }
    const std::string why = plan.why;
    plan_managed_file(input, kNodeMetaPath,
                      node_meta_text(spec, node_name(input.facts)), plan);
    if (plan.state == StepState::kChange && !why.empty()) plan.why = why;
    return plan;
  }
};

}  // namespace

std::unique_ptr<Step> make_kubernetes_node() {
  return std::make_unique<KubernetesNode>();
}

}  // namespace gpunode::provision
