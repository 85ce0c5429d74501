// spec.kubernetes: the cluster that the host becomes a node of.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gpunode::provision {

/// Where a secret is when it is needed. It is never in the file itself, in a
/// plan or in the journal. One of the three is set.
struct SecretSource {
  std::string file = {};                  ///< Its first line.
  std::string variable = {};              ///< Of the environment.
  std::vector<std::string> command = {};  ///< What prints it; [0] absolute.

  bool is_set() const {
    return !file.empty() || !variable.empty() || !command.empty();
  }
};

/// Whose packages kubelet and kubeadm come from.
enum class KubernetesSource : std::uint8_t {
  kCommunity,     ///< pkgs.k8s.io, one repository a minor version.
  kDistribution,  ///< What the repositories of the host have.
  kPreinstalled,
};

/// spec.kubernetes.join.
struct JoinSpec {
  bool is_wanted = false;
  std::string endpoint = {};  ///< "10.0.0.10:6443".
  SecretSource token = {};    ///< A bootstrap token, "abcdef.0123456789abcdef".
  /// "sha256:" and 64 hex digits, of public keys of the cluster's CA. Empty
  /// only where the file says that any CA will do.
  std::vector<std::string> ca_cert_hashes = {};
  bool trusts_any_ca = false;  ///< `unsafeSkipCAVerification: true`.
  /// A kubeconfig that says endpoint and CA, in place of both.
  std::string discovery_file = {};
  std::string node_ip = {};
  /// Checks of kubeadm to pass over: "NumCPU".
  std::vector<std::string> ignored_checks = {};
};

struct KubernetesSpec {
  bool is_wanted = false;    ///< The section is there.
  std::string version = {};  ///< "1.25" or "1.25.16".
  KubernetesSource source = KubernetesSource::kCommunity;
  JoinSpec join = {};
  std::vector<std::string> labels = {};  ///< "nvidia.com/gpu.present=true".
  std::vector<std::string> taints =
      {};  ///< "nvidia.com/gpu=present:NoSchedule".
};

}  // namespace gpunode::provision
