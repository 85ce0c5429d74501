// What a cluster says of itself before anybody is known to it, and whether that
// can be believed: kubeadm's discovery. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace gpunode::provision {

/// A bootstrap token. The second half is a secret.
struct BootstrapToken {
  std::string id;      ///< "abcdef".
  std::string secret;  ///< "0123456789abcdef".

  std::string text() const { return id + "." + secret; }
};

/// kCorrupt for what is none, without its words.
Result<BootstrapToken> parse_bootstrap_token(std::string_view text);

/// The cluster of a kubeconfig without users.
struct ClusterInfo {
  std::string server;          ///< "https://10.0.0.10:6443".
  std::string authority;       ///< PEM; empty if it has none in it.
  std::string authority_path;  ///< A file in its place; may be empty.
};

/// Of the context in use, else of the first cluster: that of kube-public names
/// no context. `shown` is for messages.
Result<ClusterInfo> read_cluster_info(std::string_view kubeconfig,
                                      std::string_view shown);

/// The kubeconfig in the ConfigMap cluster-info of kube-public, once its
/// signature by the token is verified: a detached JWS (RFC 7515, appendix F) of
/// HS256 under "jws-kubeconfig-ID", with the token's second half as the key
/// (k8s.io/cluster-bootstrap's token/jws). kNotFound: nobody signs with this
/// token any more. kPermissionDenied: somebody signed it with another one.
Result<std::string> verified_kubeconfig(std::string_view config_map_json,
                                        const BootstrapToken& token);

/// "sha256:…" of the key of each certificate of `pem`, as kubeadm has it
/// (cmd/kubeadm/app/util/pubkeypin); none for what is no PEM.
std::vector<std::string> key_hashes(const std::string& pem);

}  // namespace gpunode::provision
