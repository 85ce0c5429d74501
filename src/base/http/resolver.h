// From a host's name to its addresses, without glibc's resolver.
//
// getaddrinfo(3) cannot be called off, and in a static program it loads the
// host's libraries. c-ares asks /etc/hosts and the servers of /etc/resolv.conf,
// read anew for every question, so that a network that came up late is found.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/http/limit.h"

namespace gpunode::http {

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;

  const sockaddr* get() const {
    return reinterpret_cast<const sockaddr*>(&storage);
  }
  /// "10.0.0.1:443", "[fd00::1]:443".
  std::string text() const;
};

/// At least one address, the best first; an address stands for itself.
/// kUnavailable, with the host's name, if there is none or nobody answers.
Result<std::vector<Address>> resolve(const std::string& host,
                                     std::uint16_t port, const Limit& limit);

}  // namespace gpunode::http
