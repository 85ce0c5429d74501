// The head of an HTTP/1.1 request, as far as a server of three fixed pages
// needs it. Bytes in, value out; no I/O.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gpunode::http {

/// The most that a request's head may take, and all that is buffered of it.
inline constexpr std::size_t kMaxHeadBytes = 8192;

struct Request {
  std::string method;
  std::string path;  ///< As sent, without query; percent signs stay.
  /// Whether the client means to go on, and can: after a request with a body,
  /// which nobody here reads, it cannot.
  bool keep_alive = true;
};

/// What the first bytes of a connection are.
struct ParsedRequest {
  enum class State {
    kIncomplete,  ///< A request so far; more bytes will tell.
    kComplete,
    kRefused,  ///< Not one; answer with `status` and close.
  };
  State state = State::kIncomplete;
  Request request;             ///< For kComplete.
  std::size_t size_bytes = 0;  ///< Of the head; what follows is the next one.
  int status = 0;              ///< For kRefused: 400, 431 or 505.
};

/// Follows RFC 9112, strictly where leniency lets two parties read one request
/// differently (folded headers, space before a colon, control characters, no
/// or two Hosts), leniently where it does not (bare line feeds, empty lines
/// before a request).
ParsedRequest parse_request(std::string_view bytes);

}  // namespace gpunode::http
