#include "node/provision/steps/kubernetes/node_identity.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/core/ascii.h"
#include "k8s/api/kubeconfig.h"
#include "node/provision/cluster_info.h"

namespace gpunode::provision {
namespace {

constexpr const char* kHostname = "/proc/sys/kernel/hostname";

std::string content_of(const facts::HostFacts& facts, const std::string& path) {
  const auto found = facts.files.find(path);
  if (found == facts.files.end()) return {};
  return found->second.content.value_or("");
}

/// The text of an authority, which a kubeconfig has in it or names.
std::string authority_of(const facts::HostFacts& facts,
                         const kube::Kubeconfig& config) {
  if (!config.authority.text.empty()) return config.authority.text;
  return content_of(facts, config.authority.path);
}

bool is_same_key(const std::string& pem, const std::string& other) {
  const auto ours = key_hashes(pem);
  const auto theirs = key_hashes(other);
  return std::ranges::any_of(ours, [&](const std::string& one) {
    return std::ranges::find(theirs, one) != theirs.end();
  });
}

}  // namespace

std::string node_name(const facts::HostFacts& facts) {
  std::string name = content_of(facts, kHostname);
  name.erase(std::min(name.find_first_of(" \t\n"), name.size()));
  std::ranges::transform(name, name.begin(), to_lower);
  return name;
}

Result<std::optional<JoinedCluster>> joined_cluster(
    const facts::HostFacts& facts) {
  using Joined = std::optional<JoinedCluster>;
  const auto found = facts.files.find(kKubeletConf);
  if (found == facts.files.end() || !found->second.exists()) {
    return Joined(std::nullopt);
  }
  if (!found->second.content) {
    return Error(ErrorCode::kPermissionDenied,
                 fmt::format("{} cannot be read: {}", kKubeletConf,
                             found->second.error));
  }
  TRY(const kube::Kubeconfig config,
      kube::parse_kubeconfig(*found->second.content, kKubeletConf));
  return Joined(JoinedCluster{config.server_text, authority_of(facts, config)});
}

bool is_wanted_cluster(const JoinedCluster& cluster, const JoinSpec& join,
                       const facts::HostFacts& facts) {
  if (!join.ca_cert_hashes.empty() && !cluster.authority.empty()) {
    return std::ranges::any_of(
        key_hashes(cluster.authority), [&](const std::string& hash) {
          return std::ranges::find(join.ca_cert_hashes, hash) !=
                 join.ca_cert_hashes.end();
        });
  }
  if (!join.discovery_file.empty()) {
    const auto info = read_cluster_info(content_of(facts, join.discovery_file),
                                        join.discovery_file);
    // One that is gone or broken is no reason to leave a cluster.
    if (!info) return true;
    if (!info->authority.empty() && !cluster.authority.empty()) {
      return is_same_key(info->authority, cluster.authority);
    }
    return info->server == cluster.server;
  }
  return cluster.server == "https://" + join.endpoint;
}

std::string node_meta_text(const KubernetesSpec& spec,
                           const std::string& node) {
  std::string text = fmt::format("node {}\n", node);
  for (const std::string& label : spec.labels) text += "label " + label + "\n";
  for (const std::string& taint : spec.taints) text += "taint " + taint + "\n";
  return text;
}

facts::Wanted identity_wants(const NodeSpec& spec) {
  facts::Wanted wanted;
  wanted.files = {kHostname, kKubeletConf, kClusterCa, kNodeMetaPath};
  if (!spec.kubernetes.join.discovery_file.empty()) {
    wanted.files.insert(spec.kubernetes.join.discovery_file);
  }
  // That they are there: they have a token in them.
  wanted.trees = {kBootstrapConf, kJoinConfigPath};
  return wanted;
}

}  // namespace gpunode::provision
