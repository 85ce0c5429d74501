#include "node/provision/leaving.h"

#include <utility>
#include <variant>

#include <fmt/format.h>

#include "node/facts/host_facts.h"
#include "node/provision/steps/kubernetes/node_identity.h"

namespace gpunode::provision {

Result<JoinedCluster> joined_to(const host::HostRoot& host) {
  facts::HostFacts facts;
  for (const std::string& path : identity_wants({}).files) {
    auto content = host.read_file(path);
    if (content) facts.files[path].content = *std::move(content);
  }
  TRY(auto joined, joined_cluster(facts));
  if (!joined) {
    return Error(ErrorCode::kNotFound,
                 fmt::format("{} cannot be read", kKubeletConf));
  }
  return *std::move(joined);
}

Membership look_at_membership(const host::HostRoot& host) {
  Membership membership;
  facts::HostFacts facts;
  for (const std::string& path : identity_wants({}).files) {
    auto content = host.read_file(path);
    if (content) facts.files[path].content = *std::move(content);
  }
  membership.node = node_name(facts);
  membership.is_node = host.exists(kKubeletConf);
  membership.has_traces = membership.is_node || host.exists(kBootstrapConf) ||
                          host.exists(kClusterCa);
  membership.is_control_plane =
      host.exists("/etc/kubernetes/manifests/kube-apiserver.yaml") ||
      host.exists("/etc/kubernetes/admin.conf");
  const auto joined = joined_cluster(facts);
  if (joined && *joined) membership.server = (*joined)->server;
  return membership;
}

bool is_joined_by_us(const std::vector<JournalLine>& lines) {
  std::uint64_t joined = 0;
  std::uint64_t leaving = 0;
  for (const JournalLine& line : lines) {
    if (line.event == JournalEvent::kBegin && line.action) {
      // One with nothing to undo found a node there.
      const bool is_join = std::holds_alternative<JoinCluster>(*line.action) &&
                           !line.inverse.empty();
      if (is_join) joined = line.seq;
      if (std::holds_alternative<LeaveCluster>(*line.action)) {
        leaving = line.seq;
      }
    }
    // One that failed was taken back.
    const bool is_over = line.event == JournalEvent::kUndone ||
                         line.event == JournalEvent::kFailed;
    if (is_over && line.of == joined) joined = 0;
    if (line.event == JournalEvent::kDone && leaving != 0 &&
        line.of == leaving && leaving > joined) {
      joined = 0;
    }
  }
  return joined != 0;
}

std::vector<std::string> left_behind() {
  return {"/etc/cni/net.d, which the cluster's network plugin wrote",
          "rules of kube-proxy and of the network plugin (iptables, ipvs, "
          "nftables), until the next reboot",
          "kubelet, kubeadm and images, for the next cluster"};
}

}  // namespace gpunode::provision
