#include "base/http/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

namespace gpunode::http {
namespace {

/// A socket address of either family.
struct Endpoint {
  sockaddr_storage storage{};
  socklen_t size = 0;

  const sockaddr* address() const {
    return reinterpret_cast<const sockaddr*>(&storage);
  }
};

Endpoint ipv4(in_addr host, std::uint16_t port) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(port);
  in.sin_addr = host;
  Endpoint endpoint;
  endpoint.size = sizeof in;
  std::memcpy(&endpoint.storage, &in, sizeof in);
  return endpoint;
}

Endpoint ipv6(in6_addr host, std::uint16_t port) {
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(port);
  in.sin6_addr = host;
  Endpoint endpoint;
  endpoint.size = sizeof in;
  std::memcpy(&endpoint.storage, &in, sizeof in);
  return endpoint;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, port);
  if (error != std::errc() || rest != end) return std::nullopt;
  return port;
}

/// The endpoint of an address with a host.
std::optional<Endpoint> parse_endpoint(std::string host, std::uint16_t port) {
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    in6_addr bytes{};
    const std::string inner = host.substr(1, host.size() - 2);
    if (::inet_pton(AF_INET6, inner.c_str(), &bytes) != 1) return std::nullopt;
    return ipv6(bytes, port);
  }
  if (host == "localhost") host = "127.0.0.1";
  in_addr bytes{};
  if (::inet_pton(AF_INET, host.c_str(), &bytes) != 1) return std::nullopt;
  return ipv4(bytes, port);
}

/// Returns errno or 0.
int listen_at(const Endpoint& endpoint, UniqueFd& listener) {
  UniqueFd socket(::socket(endpoint.storage.ss_family,
                           SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return errno;
  const int on = 1;
  const int off = 0;
  // A restarted daemon must not wait for its predecessor's connections.
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (endpoint.storage.ss_family == AF_INET6) {
    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  }
  if (::bind(socket.get(), endpoint.address(), endpoint.size) != 0 ||
      ::listen(socket.get(), 64) != 0) {
    return errno;
  }
  listener = std::move(socket);
  return 0;
}

}  // namespace

Result<UniqueFd> listen_on(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  std::optional<std::uint16_t> port;
  if (colon != std::string::npos) {
    port = parse_port(std::string_view(address).substr(colon + 1));
  }
  const std::string host = address.substr(0, port ? colon : 0);
  std::optional<Endpoint> endpoint;
  if (port) {
    endpoint =
        host.empty() ? ipv6(in6addr_any, *port) : parse_endpoint(host, *port);
  }
  if (!endpoint) {
    return Error(ErrorCode::kInvalidArgument,
                 "listen on \"" + address +
                     "\": want HOST:PORT, where HOST is an IP address or "
                     "empty, such as \":9400\", \"127.0.0.1:9400\" or "
                     "\"[::1]:9400\"");
  }
  UniqueFd listener;
  int error = listen_at(*endpoint, listener);
  if (host.empty() && (error == EAFNOSUPPORT || error == EADDRNOTAVAIL)) {
    // A host without IPv6.
    error = listen_at(ipv4({INADDR_ANY}, *port), listener);
  }
  if (error != 0) return Error::from_errno("listen on " + address, error);
  return listener;
}

std::string bound_address(int socket) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&storage), &size) !=
      0) {
    return "";
  }
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (storage.ss_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, &storage, sizeof in);
    ::inet_ntop(AF_INET6, &in.sin6_addr, text.data(), text.size());
    return "[" + std::string(text.data()) +
           "]:" + std::to_string(ntohs(in.sin6_port));
  }
  if (storage.ss_family == AF_UNIX) {
    sockaddr_un un{};
    std::memcpy(&un, &storage, std::min<std::size_t>(size, sizeof un));
    return {un.sun_path, ::strnlen(un.sun_path, sizeof un.sun_path)};
  }
  sockaddr_in in{};
  std::memcpy(&in, &storage, sizeof in);
  ::inet_ntop(AF_INET, &in.sin_addr, text.data(), text.size());
  return std::string(text.data()) + ":" + std::to_string(ntohs(in.sin_port));
}

}  // namespace gpunode::http
