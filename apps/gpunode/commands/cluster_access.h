// The API server as a kubeconfig of this machine reaches it.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "apps/gpunode/session.h"
#include "base/core/result.h"
#include "base/host/host_root.h"
#include "k8s/api/client.h"
#include "k8s/api/kubeconfig_credentials.h"

namespace gpunode::cli {

struct ClusterOptions {
  std::string kubeconfig;  ///< Empty: the kubelet's, if it is here.
  std::string node_name;   ///< Empty: whose the kubelet's certificate is.
  std::string user_agent = "gpunode";
  std::chrono::seconds patience{15};  ///< Of one question.
  /// What a program that the kubeconfig names inherits, as NAME=value.
  std::vector<std::string> environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"};
};

/// Where kubelets have their kubeconfig: kubeadm's, those of EKS, GKE and AKS,
/// k3s and RKE2; the first that is there, or "".
std::string kubelet_config_of(const host::HostRoot& host);

/// A client and its credentials. One thread.
class ClusterAccess {
 public:
  /// kNotFound: no kubeconfig was named and none is here, so this machine is in
  /// no cluster. kUnsupported: it names a program, and of another root none is
  /// run. `session` must outlive it.
  static Result<std::unique_ptr<ClusterAccess>> open(
      const ClusterOptions& options, const host::HostRoot& host,
      Session& session);

  kube::Client& client() { return client_; }
  /// The Node that is this machine.
  const std::string& node() const { return node_; }

 private:
  ClusterAccess(kube::Kubeconfig config, const ClusterOptions& options,
                const host::HostRoot& host, Session& session);

  kube::KubeconfigCredentials credentials_;
  kube::Client client_;
  std::string node_;
};

}  // namespace gpunode::cli
