// Asking a cluster whether this host could join it, before anything changes:
// what kubeadm would find out after a minute, in words of its own.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "node/provision/cluster_info.h"

namespace gpunode::provision {

/// Who wants to join what.
struct JoinQuestion {
  std::string endpoint;  ///< "10.0.0.10:6443"; empty with `discovered`.
  std::vector<std::string> ca_cert_hashes;  ///< "sha256:…".
  bool trusts_any_ca = false;
  /// What a discovery file says, with its authority as text.
  std::optional<ClusterInfo> discovered;
  std::optional<BootstrapToken> token;
  std::string node;     ///< The name that it would have.
  std::string version;  ///< Of kubelet and kubeadm here: "1.25.16".
};

/// What a cluster said of itself to who may join it.
struct ClusterAnswer {
  std::string endpoint;       ///< Who was asked: "10.0.0.10:6443".
  std::string ca;             ///< "sha256:…" of the key of its CA.
  std::string version;        ///< "1.25.3".
  std::string cgroup_driver;  ///< Of its kubelets: "systemd"; "" if not told.
};

/// Asks step by step: name, connection, cluster-info and the token's signature,
/// CA, certificate, clock, token, version, name of the Node. The first that is
/// wrong is the Error: what, why and what next; never with the token. `now` is
/// this host's clock. Blocks for at most a minute.
Result<ClusterAnswer> ask_cluster(const JoinQuestion& question,
                                  std::chrono::sys_seconds now);

/// Empty if a kubelet of minor version `kubelet` may be a node of an API server
/// of minor version `server`; else why not, in words (kubernetes.io, "Version
/// Skew Policy").
std::string skew_words(int kubelet, int server);

}  // namespace gpunode::provision
