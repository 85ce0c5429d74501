// TLS 1.2 and 1.3 as a client: whom we trust, who we are.
#pragma once

#include <memory>
#include <string>

#include "base/core/result.h"
#include "base/core/unique_fd.h"
#include "base/http/limit.h"
#include "base/http/stream.h"

struct ssl_ctx_st;

namespace gpunode::http {

/// PEM texts, never paths: who reads files knows when they change.
struct TlsOptions {
  /// Certificates that a server's may be, or be signed by. Empty: the host's
  /// bundle, wherever its distribution keeps it.
  std::string authorities_pem;
  /// What the server's certificate must name, and what it is asked for by.
  /// Empty: the host of the URL.
  std::string server_name;
  std::string certificate_pem;  ///< Ours, with its chain; empty for none.
  std::string key_pem;          ///< Its key, not encrypted. Never in messages.
  bool is_insecure = false;     ///< Accept any server. Only when asked to.

  friend bool operator==(const TlsOptions&, const TlsOptions&) = default;
};

/// Options read and ready for connections. OpenSSL is set up with the first
/// one, 2.6 MB, so make it when it is needed.
class TlsContext {
 public:
  /// kInvalidArgument says which text is not what it should be.
  static Result<TlsContext> make(const TlsOptions& options);

  /// Shakes hands over a connected non-blocking socket. `host` is the URL's.
  /// kPermissionDenied when one side does not accept the other's certificate,
  /// and says why; else kUnavailable.
  Result<std::unique_ptr<Stream>> connect(UniqueFd socket,
                                          const std::string& host,
                                          const Limit& limit) const;

 private:
  struct Free {
    void operator()(ssl_ctx_st* context) const;
  };

  TlsContext(ssl_ctx_st* context, std::string server_name)
      : context_(context), server_name_(std::move(server_name)) {}

  std::unique_ptr<ssl_ctx_st, Free> context_;
  std::string server_name_;
};

}  // namespace gpunode::http
