// The address of an HTTP server as people write it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/core/result.h"

namespace gpunode::http {

/// "https://[fd00::1]:6443/prefix", taken apart.
struct Url {
  bool is_tls = true;
  std::string host;  ///< A name, in lower case, or an address, no brackets.
  std::uint16_t port = 443;
  std::string path;  ///< Without a slash at its end; mostly empty.

  /// "host:port" with brackets where needed, for the Host field and messages.
  std::string authority() const;

  friend bool operator==(const Url&, const Url&) = default;
};

/// Accepts http and https with a host, perhaps a port and a path; refuses user
/// names, queries, fragments, and characters that have no business there.
/// kInvalidArgument; what is refused for a user name is not quoted.
Result<Url> parse_url(std::string_view text);

}  // namespace gpunode::http
