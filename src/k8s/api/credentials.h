// Which API server, and as whom. Read again for every call, since tokens and
// authorities are rotated under a running program.
#pragma once

#include <string>

#include "base/core/result.h"
#include "base/host/host_root.h"
#include "base/http/tls.h"
#include "base/http/url.h"

namespace gpunode::kube {

/// Secrets are in here: it is never logged and never in messages.
struct Access {
  http::Url server;
  http::TlsOptions tls;
  std::string token;          ///< For "Authorization: Bearer"; may be empty.
  std::string default_space;  ///< The namespace when none is named.

  friend bool operator==(const Access&, const Access&) = default;
};

class Credentials {
 public:
  virtual ~Credentials() = default;

  /// What holds now. `was_refused`: the server did not accept what the last
  /// call gave, so nothing that is kept may be given again. Blocks for files
  /// and programs. Errors say which file or program, never what is in it.
  virtual Result<Access> access(bool was_refused) = 0;
};

/// A Pod's service account: the files that the kubelet mounts and rotates.
class InClusterCredentials final : public Credentials {
 public:
  /// `host` and `port` are the environment's KUBERNETES_SERVICE_HOST and
  /// KUBERNETES_SERVICE_PORT.
  InClusterCredentials(host::HostRoot root, std::string host, std::string port)
      : root_(std::move(root)),
        host_(std::move(host)),
        port_(std::move(port)) {}

  /// kNotFound outside a Pod.
  Result<Access> access(bool was_refused) override;

 private:
  host::HostRoot root_;
  std::string host_;
  std::string port_;
};

/// The token in the text of a file: white space around it goes. kCorrupt,
/// without its words, if it could not stand in a header.
Result<std::string> token_of(std::string_view text, std::string_view file);

/// kCorrupt if `pem`, the authorities that `file` names, has nothing in it: no
/// authority named is not "any that the host trusts".
Result<void> refuse_no_authority(std::string_view pem, std::string_view file);

/// The largest token, certificate or key that is read.
inline constexpr std::size_t kMaxSecretBytes = std::size_t{1} << 20U;

}  // namespace gpunode::kube
