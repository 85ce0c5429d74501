// A control plane for tests, as a host sees it that is no node yet: over TLS,
// with its CA, the ConfigMap cluster-info signed by a token, and what the token
// may read.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "base/core/mutex.h"
#include "base/http/scripted_server.h"
#include "base/http/test_certificates.h"

namespace gpunode::kube {

/// What is to be wrong with it; as made, nothing is.
struct ClusterManner {
  std::string token = "abcdef.0123456789abcdef";  ///< That it knows.
  std::string signing_secret = {};  ///< In place of the token's second half.
  bool has_signature = true;        ///< False: the token has expired.
  bool takes_token = true;          ///< False: 401 to who shows it.
  int info_status = 200;            ///< Of cluster-info.
  std::string version = "v1.25.3";
  long clock_offset = 0;  ///< Seconds that its clock is ahead.
  std::string certificate_names = "IP:127.0.0.1";
  std::string ready_node = {};     ///< A Node that is there and Ready.
  std::string cgroup_driver = {};  ///< Of kubelet-config; empty: not told.
};

/// Any thread; `manner` is fixed when it is made.
class ClusterDouble {
 public:
  explicit ClusterDouble(ClusterManner manner = {});

  /// "127.0.0.1:40123".
  std::string endpoint() const;
  const std::string& ca_pem() const { return authority_.pem(); }
  /// "sha256:…", as `kubeadm token create --print-join-command` has it.
  std::string ca_hash() const;
  /// cluster-info's kubeconfig.
  std::string kubeconfig() const;

  /// "GET /version", and " known" behind it if the token was shown.
  std::vector<std::string> requests() const;

 private:
  void serve(http::Peer& peer);
  std::string answer(const std::string& path, bool is_known) const;
  std::string cluster_info() const;

  ClusterManner manner_;
  http::TestAuthority authority_;
  std::atomic<std::uint16_t> port_ = 0;
  mutable Mutex mutex_;
  std::vector<std::string> requests_ GUARDED_BY(mutex_);
  // Last: it begins when all else is there, and ends first.
  std::unique_ptr<http::ScriptedServer> server_;
};

}  // namespace gpunode::kube
