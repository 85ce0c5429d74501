// The answer to a request, from its bytes as they come.
//
// Boost.Beast's parser behind a door of ours: bytes in, values out, no I/O, no
// exceptions, everything bounded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace gpunode::http {

struct Header {
  std::string name;  ///< In an answer: lower case.
  std::string value;
};

struct ClientResponse {
  int status = 0;
  std::vector<Header> headers;
  std::string body;

  /// The first with this name, given in lower case; nullptr if there is none.
  const std::string* header(std::string_view name) const;
};

/// Takes the next piece of a body; false ends the call.
using PieceSink = std::function<bool(std::string_view)>;

/// One answer, those of status 1xx before it left out.
class ResponseReader {
 public:
  static constexpr std::uint32_t kMaxHeadBytes = 16 * 1024;

  /// Pieces go to `sink` if the status is 2xx and there is one, else into the
  /// answer's body, which then may have `body_limit` bytes.
  ResponseReader(std::size_t body_limit, PieceSink sink);
  ~ResponseReader();
  ResponseReader(const ResponseReader&) = delete;
  ResponseReader& operator=(const ResponseReader&) = delete;

  /// kCorrupt for what is no HTTP answer or is too large.
  Result<void> feed(std::string_view bytes);

  /// The connection ended. kUnavailable if the answer is not whole.
  Result<void> end();

  bool has_head() const;  ///< Status and headers of the answer are there.
  bool is_done() const;
  bool was_stopped() const;  ///< The sink said so.

  /// Whether the next request may use the same connection. Once done.
  bool keeps_connection() const;

  const ClientResponse& response() const { return response_; }
  ClientResponse take() { return std::move(response_); }

 private:
  class Parser;

  void renew();
  Result<void> parse_some();

  std::size_t body_limit_;
  PieceSink sink_;
  ClientResponse response_;
  std::string pending_;
  int informational_ = 0;
  std::unique_ptr<Parser> parser_;
};

}  // namespace gpunode::http
