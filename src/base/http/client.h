// One HTTP/1.1 server, asked over one connection that is kept.
//
// Calls block, so a client lives on a thread of its own (docs/adr/0007);
// another thread ends them through a Cancellation. TLS and its memory come with
// the first call.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/http/cancellation.h"
#include "base/http/limit.h"
#include "base/http/response_reader.h"
#include "base/http/stream.h"
#include "base/http/tls.h"
#include "base/http/url.h"

namespace gpunode::http {

struct ClientRequest {
  std::string method = "GET";
  std::string target = "/";  ///< Path and query, escaped.
  std::vector<Header> headers;
  std::string body;
  /// May be sent again when a kept connection turns out to have ended before a
  /// byte of an answer came.
  bool is_repeatable = true;
};

struct ClientLimits {
  std::chrono::milliseconds connect = std::chrono::seconds(10);  ///< With TLS.
  std::chrono::milliseconds answer = std::chrono::seconds(30);  ///< Whole call.
  std::size_t body_bytes = std::size_t{8} << 20;
};

/// Errors name what was attempted and in which phase it failed: "look up",
/// "connect to", "TLS", "send", "answer". kUnavailable may pass by itself;
/// kPermissionDenied is a matter of certificates; kCorrupt is an answer that is
/// none. Any status is an answer. Headers are never in messages.
class Client {
 public:
  Client(Url server, TlsOptions tls, ClientLimits limits = {});

  /// Asks and reads the whole answer. `cancellation` may be null.
  Result<ClientResponse> call(const ClientRequest& request,
                              const Cancellation* cancellation);

  /// Asks and hands the body of a 2xx answer to `sink` as it comes, however
  /// long that is, as long as no silence takes longer than `idle`; until its
  /// head has come, the limits of call() hold. Returns when
  /// it is whole, or the sink has said false. Other answers are as of call().
  Result<ClientResponse> stream(const ClientRequest& request,
                                const PieceSink& sink,
                                std::chrono::milliseconds idle,
                                const Cancellation* cancellation);

  /// Ends the connection; the next call makes another.
  void close() { stream_.reset(); }

  bool is_connected() const { return stream_ != nullptr; }
  const Url& server() const { return server_; }

 private:
  struct Exchange;

  Result<ClientResponse> exchange(Exchange exchange);
  Result<void> connect(const Cancellation* cancellation);
  Result<ClientResponse> attempt(Exchange& exchange, const Limit& limit);
  static Result<void> receive(Stream& stream, ResponseReader& reader,
                              Exchange& exchange, Limit limit);

  Url server_;
  TlsOptions tls_;
  ClientLimits limits_;
  std::optional<TlsContext> context_;
  std::unique_ptr<Stream> stream_;
};

}  // namespace gpunode::http
