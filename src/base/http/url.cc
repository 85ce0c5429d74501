#include "base/http/url.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>

#include <fmt/format.h>

namespace gpunode::http {
namespace {

constexpr std::size_t kMaxUrlBytes = 2048;

bool is_plain(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return std::isalnum(byte) != 0 || c == '-' || c == '.' || c == '_';
}

bool is_path_char(char c) {
  return is_plain(c) ||
         std::string_view("/~%!$&'()*+,;=:@").find(c) != std::string_view::npos;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) {
    return static_cast<char>(std::tolower(c));
  });
  return out;
}

Error refused(std::string_view text, std::string_view why) {
  return {ErrorCode::kInvalidArgument,
          fmt::format("server {:?}: {}; write it as https://HOST:PORT",
                      text.substr(0, kMaxUrlBytes), why)};
}

bool is_ipv6(const std::string& text) {
  in6_addr address{};
  return ::inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

std::optional<std::uint16_t> port_of(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) {
    return std::nullopt;
  }
  return port;
}

/// Takes "host", "host:port" or "[v6]:port" apart; false if it is none.
bool read_authority(std::string_view text, Url& url) {
  std::string_view port;
  if (text.substr(0, 1) == "[") {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return false;
    url.host = lower(text.substr(1, close - 1));
    if (!is_ipv6(url.host)) return false;
    port = text.substr(close + 1);
  } else {
    const std::size_t colon = text.find(':');
    url.host = lower(text.substr(0, colon));
    if (url.host.empty() || url.host.size() > 253 ||
        !std::all_of(url.host.begin(), url.host.end(), is_plain)) {
      return false;
    }
    if (colon != std::string_view::npos) port = text.substr(colon);
  }
  if (port.empty()) return true;
  if (port.front() != ':') return false;
  const auto number = port_of(port.substr(1));
  if (number) url.port = *number;
  return number.has_value();
}

}  // namespace

std::string Url::authority() const {
  const bool is_v6 = host.find(':') != std::string::npos;
  return is_v6 ? fmt::format("[{}]:{}", host, port)
               : fmt::format("{}:{}", host, port);
}

Result<Url> parse_url(std::string_view text) {
  if (text.size() > kMaxUrlBytes) return refused("", "it is too long");
  const std::size_t scheme_end = text.find("://");
  const std::string scheme = lower(text.substr(0, scheme_end));
  if (scheme_end == std::string_view::npos ||
      (scheme != "https" && scheme != "http")) {
    return refused(text, "it begins with neither https:// nor http://");
  }
  Url url;
  url.is_tls = scheme == "https";
  url.port = url.is_tls ? 443 : 80;
  const std::string_view rest = text.substr(scheme_end + 3);
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  if (authority.find('@') != std::string_view::npos) {
    return refused("", "a user name does not belong there");
  }
  if (!read_authority(authority, url)) {
    return refused(text, "its host or port is malformed");
  }
  std::string_view path = rest.substr(authority.size());
  if (path.find_first_of("?#") != std::string_view::npos) {
    return refused(text, "a query does not belong there");
  }
  if (!std::all_of(path.begin(), path.end(), is_path_char)) {
    return refused(text, "its path has characters that must be escaped");
  }
  while (!path.empty() && path.back() == '/') path.remove_suffix(1);
  url.path = path;
  return url;
}

}  // namespace gpunode::http
