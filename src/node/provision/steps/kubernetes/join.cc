// kubernetes.join: the host is a node of the cluster, by kubeadm.

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "k8s/api/resource_path.h"
#include "node/provision/file_plan.h"
#include "node/provision/steps/kubernetes/join_config.h"
#include "node/provision/steps/kubernetes/node_identity.h"
#include "node/provision/steps/steps.h"

namespace gpunode::provision {
namespace {

/// What makes a host a node of another kind than kubeadm's, and who does.
struct Other {
  const char* path;
  const char* who;
};

constexpr auto kOthers = std::to_array<Other>({
    {"/var/lib/rancher/k3s/agent", "k3s"},
    {"/var/lib/rancher/rke2/agent", "RKE2"},
    {"/var/lib/kubelet/kubeconfig", "a cloud's image, as EKS' or AKS'"},
});

/// Files of a control plane of kubeadm's.
constexpr auto kControlPlane =
    std::to_array<const char*>({"/etc/kubernetes/manifests/kube-apiserver.yaml",
                                "/etc/kubernetes/admin.conf"});

bool is_there(const facts::HostFacts& facts, const std::string& path) {
  const auto found = facts.trees.find(path);
  return found != facts.trees.end() && found->second.exists;
}

bool has_file(const facts::HostFacts& facts, const std::string& path) {
  const auto found = facts.files.find(path);
  return found != facts.files.end() && found->second.exists();
}

/// What the host is already; kOk if it is nothing yet.
StepPlan look_for_others(const facts::HostFacts& facts) {
  for (const char* path : kControlPlane) {
    if (!is_there(facts, path)) continue;
    return StepPlan::refused(
        fmt::format("this host is a control plane: {} is there", path),
        "run gpunode on another host, or leave `join` out of the file");
  }
  for (const Other& other : kOthers) {
    if (!is_there(facts, other.path)) continue;
    return StepPlan::blocked(
        fmt::format("this host is a node already, made by {}: {} is there",
                    other.who, other.path),
        "leave `join` out of the file, or take that away by its own means");
  }
  return StepPlan::ok();
}

StepPlan plan_joined(const PlanInput& input, const JoinedCluster& cluster) {
  const JoinSpec& join = input.spec.kubernetes.join;
  if (!is_wanted_cluster(cluster, join, input.facts)) {
    return StepPlan::blocked(
        fmt::format("this host is a node of another cluster, {}",
                    cluster.server),
        "if it is to leave that one, drain it and type `gpunode leave` first");
  }
  StepPlan plan;
  if (!join.endpoint.empty() && cluster.server != "https://" + join.endpoint) {
    plan.notes.push_back(
        fmt::format("the kubelet reaches the cluster as {}, which has the CA "
                    "of {}",
                    cluster.server, join.endpoint));
  }
  if (is_there(input.facts, kBootstrapConf)) {
    plan.notes.push_back(
        fmt::format("{} is left of the join, with a token in "
                    "it; the kubelet needs it no more",
                    kBootstrapConf));
  }
  if (is_there(input.facts, kJoinConfigPath)) {
    // Not RemoveFile, which keeps a copy to undo it: of the token, on a disk.
    plan.state = StepState::kChange;
    plan.why = fmt::format("a join that was cut off left its token in {}",
                           kJoinConfigPath);
    plan.actions.emplace_back(
        RunProgram{.argv = {"/bin/rm", "-f", "--", kJoinConfigPath}});
  }
  return plan;
}

JoinCluster join_action(const KubernetesSpec& spec, const std::string& node) {
  JoinCluster action;
  action.endpoint = spec.join.endpoint;
  action.discovery_file = spec.join.discovery_file;
  action.ca_cert_hashes = spec.join.ca_cert_hashes;
  action.trusts_any_ca = spec.join.trusts_any_ca;
  action.token_file = spec.join.token.file;
  action.token_variable = spec.join.token.variable;
  action.token_command = spec.join.token.command;
  action.node = node;
  action.version = spec.version;
  action.config = join_configuration(spec, node);
  return action;
}

class KubernetesJoin final : public Step {
 public:
  std::string_view id() const override { return "kubernetes.join"; }
  std::string_view title() const override {
    return "the host is a node of the cluster";
  }
  std::string_view reason() const override {
    return "Pods come to nodes alone, and labels and taints that it has from "
           "the start keep the wrong ones away";
  }
  std::vector<std::string> counts_on() const override {
    return {"kubernetes.packages"};
  }

  facts::Wanted wants(const NodeSpec& spec) const override {
    facts::Wanted wanted;
    if (!spec.kubernetes.join.is_wanted) return wanted;
    wanted = identity_wants(spec);
    for (const Other& other : kOthers) wanted.trees.insert(other.path);
    wanted.trees.insert(kControlPlane.begin(), kControlPlane.end());
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override {
    const KubernetesSpec& spec = input.spec.kubernetes;
    if (!spec.join.is_wanted) {
      return StepPlan::not_wanted("spec.kubernetes.join is not in the file");
    }
    StepPlan plan = look_for_others(input.facts);
    if (plan.state != StepState::kOk) return plan;
    const auto joined = joined_cluster(input.facts);
    if (!joined) {
      return StepPlan::blocked(
          joined.error().message(),
          "mend the file, or take the node out of its cluster with `gpunode "
          "leave`");
    }
    if (*joined) return plan_joined(input, **joined);
    const std::string node = node_name(input.facts);
    if (!kube::is_dns_subdomain(node)) {
      return StepPlan::blocked(
          fmt::format("the host's name \"{}\" is none that a Node can have: "
                      "small letters, digits, \"-\" and \".\"",
                      node),
          "give it one with `hostnamectl set-hostname NAME`");
    }
    plan.state = StepState::kChange;
    plan.why = "the host is no node yet";
    const bool is_half = is_there(input.facts, kBootstrapConf) ||
                         has_file(input.facts, kClusterCa);
    if (is_half) {
      plan.why = "a join was begun here and did not come to its end";
      plan.actions.emplace_back(LeaveCluster{node});
    }
    plan.actions.emplace_back(join_action(spec, node));
    // Whatever is there is of a Node that was: `gpunode leave` takes it away,
    // and so does taking back half a join.
    plan.actions.emplace_back(WriteFile{
        .path = kNodeMetaPath,
        .content =
            fmt::format("{}{}", kManagedLine, node_meta_text(spec, node))});
    const auto before = input.facts.files.find(kNodeMetaPath);
    plan.before[kNodeMetaPath] = before == input.facts.files.end()
                                     ? ""
                                     : before->second.content.value_or("");
    return plan;
  }
};

}  // namespace

std::unique_ptr<Step> make_kubernetes_join() {
  return std::make_unique<KubernetesJoin>();
}

}  // namespace gpunode::provision
