#include "base/http/resolver.h"

#include <arpa/inet.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <ares.h>
#include <fmt/format.h>

namespace gpunode::http {
namespace {

constexpr std::size_t kMaxAddresses = 16;

/// What c-ares fills in; must outlive the channel, whose end answers too.
struct Question {
  std::uint16_t port = 0;
  bool is_answered = false;
  int status = ARES_SUCCESS;
  std::vector<Address> addresses;
};

class Channel {
 public:
  Channel() = default;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  ~Channel() {
    if (channel_ != nullptr) ares_destroy(channel_);
  }

  int open() {
    static const int kLibrary = ares_library_init(ARES_LIB_INIT_ALL);
    if (kLibrary != ARES_SUCCESS) return kLibrary;
    ares_options options{};
    options.timeout = 2000;  // Of one attempt, in milliseconds.
    options.tries = 3;
    return ares_init_options(&channel_, &options,
                             ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES);
  }

  ares_channel get() const { return channel_; }

 private:
  ares_channel channel_ = nullptr;
};

void set_port(Address& address, std::uint16_t port) {
  if (address.storage.ss_family == AF_INET6) {
    reinterpret_cast<sockaddr_in6*>(&address.storage)->sin6_port = htons(port);
  } else {
    reinterpret_cast<sockaddr_in*>(&address.storage)->sin_port = htons(port);
  }
}

void take_answer(void* argument, int status, int /*timeouts*/,
                 ares_addrinfo* found) {
  auto& question = *static_cast<Question*>(argument);
  question.is_answered = true;
  question.status = status;
  if (found == nullptr) return;
  for (const ares_addrinfo_node* node = found->nodes;
       node != nullptr && question.addresses.size() < kMaxAddresses;
       node = node->ai_next) {
    Address address;
    if (node->ai_family != AF_INET && node->ai_family != AF_INET6) continue;
    std::memcpy(&address.storage, node->ai_addr, node->ai_addrlen);
    address.size = node->ai_addrlen;
    set_port(address, question.port);
    question.addresses.push_back(address);
  }
  ares_freeaddrinfo(found);
}

/// The sockets of `channel` as poll(2) wants them, behind the cancellation's.
std::vector<pollfd> polled_sockets(ares_channel channel, const Limit& limit) {
  std::vector<pollfd> polled = {
      {limit.cancellation == nullptr ? -1 : limit.cancellation->fd(), POLLIN,
       0}};
  std::array<ares_socket_t, ARES_GETSOCK_MAXNUM> sockets{};
  const auto bits = static_cast<unsigned>(
      ares_getsock(channel, sockets.data(), ARES_GETSOCK_MAXNUM));
  for (unsigned i = 0; i < sockets.size(); ++i) {
    const bool reads = (bits & (1U << i)) != 0;
    const bool writes = (bits & (1U << (i + ARES_GETSOCK_MAXNUM))) != 0;
    if (!reads && !writes) break;
    polled.push_back(
        {sockets[i],
         static_cast<short>((reads ? POLLIN : 0) | (writes ? POLLOUT : 0)), 0});
  }
  return polled;
}

Result<void> step(ares_channel channel, const Limit& limit) {
  TRY_VOID(limit.check());
  const auto left =
      std::chrono::ceil<std::chrono::microseconds>(limit.left()).count();
  timeval most{left / 1'000'000, left % 1'000'000};
  timeval wanted{};
  const timeval* next = ares_timeout(channel, &most, &wanted);
  const int milliseconds =
      static_cast<int>(next->tv_sec * 1000 + next->tv_usec / 1000 + 1);
  auto polled = polled_sockets(channel, limit);
  const int ready = ::poll(polled.data(), polled.size(), milliseconds);
  if (ready < 0 && errno != EINTR) return Error::from_errno("poll", errno);
  bool is_processed = false;
  for (std::size_t i = 1; ready > 0 && i < polled.size(); ++i) {
    const bool writes = (polled[i].revents & POLLOUT) != 0;
    const bool reads = (polled[i].revents & ~POLLOUT) != 0;
    if (!reads && !writes) continue;
    ares_process_fd(channel, reads ? polled[i].fd : ARES_SOCKET_BAD,
                    writes ? polled[i].fd : ARES_SOCKET_BAD);
    is_processed = true;
  }
  if (!is_processed) {
    ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);  // Timeouts.
  }
  return {};
}

std::vector<Address> literal(const std::string& host, std::uint16_t port) {
  Address address;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  if (::inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    address.size = sizeof(sockaddr_in);
  } else if (::inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    address.size = sizeof(sockaddr_in6);
  } else {
    return {};
  }
  set_port(address, port);
  return {address};
}

Error failed(const std::string& host, std::string_view why) {
  return {ErrorCode::kUnavailable, fmt::format("look up {}: {}", host, why)};
}

}  // namespace

std::string Address::text() const {
  std::array<char, INET6_ADDRSTRLEN> out{};
  if (storage.ss_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&storage);
    ::inet_ntop(AF_INET6, &v6->sin6_addr, out.data(), out.size());
    return fmt::format("[{}]:{}", out.data(), ntohs(v6->sin6_port));
  }
  const auto* v4 = reinterpret_cast<const sockaddr_in*>(&storage);
  ::inet_ntop(AF_INET, &v4->sin_addr, out.data(), out.size());
  return fmt::format("{}:{}", out.data(), ntohs(v4->sin_port));
}

Result<std::vector<Address>> resolve(const std::string& host,
                                     std::uint16_t port, const Limit& limit) {
  if (auto addresses = literal(host, port); !addresses.empty()) {
    return addresses;
  }
  Question question;
  question.port = port;
  Channel channel;
  if (const int status = channel.open(); status != ARES_SUCCESS) {
    return failed(host, ares_strerror(status));
  }
  ares_addrinfo_hints hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  ares_getaddrinfo(channel.get(), host.c_str(), nullptr, &hints, take_answer,
                   &question);
  while (!question.is_answered) {
    if (auto stepped = step(channel.get(), limit); !stepped) {
      return std::move(stepped).error().with_context("look up " + host);
    }
  }
  if (question.status == ARES_ENOTFOUND || question.status == ARES_ENODATA) {
    return failed(host, "no such name");
  }
  if (question.status != ARES_SUCCESS) {
    return failed(host, ares_strerror(question.status));
  }
  if (question.addresses.empty()) return failed(host, "it has no address");
  return std::move(question.addresses);
}

}  // namespace gpunode::http
