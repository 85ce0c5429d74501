// Which node of which cluster a host is, by its files. Pure.
#pragma once

#include <optional>
#include <string>

#include "node/provision/step.h"

namespace gpunode::provision {

// kubeadm's own files (cmd/kubeadm/app/constants).
inline constexpr const char* kKubeletConf = "/etc/kubernetes/kubelet.conf";
inline constexpr const char* kBootstrapConf =
    "/etc/kubernetes/bootstrap-kubelet.conf";
inline constexpr const char* kClusterCa = "/etc/kubernetes/pki/ca.crt";

/// kubeadm's configuration with the token in it, while it joins. Of tmpfs: gone
/// with the power, and never on a disk. A run that was killed leaves it.
inline constexpr const char* kJoinConfigPath = "/run/gpunode/kubeadm-join.yaml";

/// What labels and taints the Node was given, in a file of ours: the Node
/// itself is not among a host's facts.
inline constexpr const char* kNodeMetaPath = "/var/lib/gpunode/node-meta";

/// The name that the kubelet gives its Node by itself: the host's, in small
/// letters. Empty if it is not known; not always one that a Node may have.
std::string node_name(const facts::HostFacts& facts);

/// The cluster that kubelet.conf leads to.
struct JoinedCluster {
  std::string server;     ///< "https://10.0.0.10:6443".
  std::string authority;  ///< PEM; empty if it can't be read.
};

/// Nothing if the host is no node. Error, in words, for a kubelet.conf that
/// can't be read.
Result<std::optional<JoinedCluster>> joined_cluster(
    const facts::HostFacts& facts);

/// Whether `cluster` is the one that the file asks for: by its CA where the
/// file knows that, else by its server. `facts` have the discovery file.
bool is_wanted_cluster(const JoinedCluster& cluster, const JoinSpec& join,
                       const facts::HostFacts& facts);

/// What the node was given by us: its labels and taints, one a line.
std::string node_meta_text(const KubernetesSpec& spec, const std::string& node);

/// What all of these look at.
facts::Wanted identity_wants(const NodeSpec& spec);

}  // namespace gpunode::provision
