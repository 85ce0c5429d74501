// The certificates by which a node and its control plane are known, and when
// they end.
//
// No part of HostFacts: no plan follows from them, and a bundle must not carry
// what is read here, since the kubelet keeps its private key in the same file.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/host/host_root.h"

namespace gpunode::facts {

/// One certificate that somebody presents.
struct CertificateFacts {
  std::string path;  ///< Of the file, as the host names it.
  /// Of a kubeconfig the user's name there; else empty.
  std::string user;
  std::string common_name;  ///< "system:node:gpu-1"; empty if unread.
  std::chrono::sys_seconds not_before{};
  std::chrono::sys_seconds not_after{};
  /// Why it could not be read, "permission denied"; empty otherwise, and all
  /// else stands.
  std::string error;

  friend bool operator==(const CertificateFacts&,
                         const CertificateFacts&) = default;
};

/// What is there of: the kubelet's client and serving certificates
/// (/var/lib/kubelet/pki), kubeadm's (/etc/kubernetes/pki, its etcd/ too) and
/// those inside of /etc/kubernetes/*.conf, in this order and by path. Of a
/// chain the first counts; of a file of authorities the one that holds longest:
/// a new one stands beside the old one while it is brought in. A host that is
/// no node has none. Reads files below `host` alone.
std::vector<CertificateFacts> read_certificates(const host::HostRoot& host);

}  // namespace gpunode::facts
