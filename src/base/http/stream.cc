#include "base/http/stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/http/resolver.h"

namespace gpunode::http {
namespace {

void set_option(int socket, int level, int name, int value) {
  // None of the options is worth a failed call.
  (void)::setsockopt(socket, level, name, &value, sizeof value);
}

/// A peer whose host is gone answers nothing, not even "gone".
void notice_silence(int socket) {
  set_option(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(socket, IPPROTO_TCP, TCP_KEEPIDLE, 30);
  set_option(socket, IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set_option(socket, IPPROTO_TCP, TCP_KEEPCNT, 3);
  set_option(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, 30'000);
  set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
}

/// Whatever kept us from the peer may pass: its host, the way there.
Error unreachable(const Address& address, int errno_value) {
  return {ErrorCode::kUnavailable,
          "connect to " + address.text() + ": " + errno_text(errno_value)};
}

Result<UniqueFd> connect_one(const Address& address, const Limit& limit) {
  UniqueFd socket(::socket(address.storage.ss_family,
                           SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return Error::from_errno("socket", errno);
  notice_silence(socket.get());
  if (::connect(socket.get(), address.get(), address.size) == 0) return socket;
  if (errno != EINPROGRESS) return unreachable(address, errno);
  if (auto ready = wait_ready(socket.get(), POLLOUT, limit); !ready) {
    return std::move(ready).error().with_context("connect to " +
                                                 address.text());
  }
  int failure = 0;
  socklen_t size = sizeof failure;
  ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &failure, &size);
  if (failure != 0) return unreachable(address, failure);
  return socket;
}

class PlainStream final : public Stream {
 public:
  explicit PlainStream(UniqueFd socket) : socket_(std::move(socket)) {}

  Result<std::size_t> read(std::span<char> into, const Limit& limit) override {
    TRY_VOID(limit.check());
    for (;;) {
      const ssize_t n = ::recv(socket_.get(), into.data(), into.size(), 0);
      if (n >= 0) return static_cast<std::size_t>(n);
      if (errno == EINTR) continue;
      if (errno != EAGAIN) {
        return Error(ErrorCode::kUnavailable, "receive: " + errno_text(errno));
      }
      TRY_VOID(wait_ready(socket_.get(), POLLIN, limit));
    }
  }

  Result<void> write(std::string_view bytes, const Limit& limit) override {
    while (!bytes.empty()) {
      const ssize_t n =
          ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n >= 0) {
        bytes.remove_prefix(static_cast<std::size_t>(n));
      } else if (errno == EAGAIN) {
        TRY_VOID(wait_ready(socket_.get(), POLLOUT, limit));
      } else if (errno != EINTR) {
        return Error(ErrorCode::kUnavailable, "send: " + errno_text(errno));
      }
    }
    return {};
  }

  bool is_idle() override {
    char byte = 0;
    return ::recv(socket_.get(), &byte, 1, MSG_PEEK) < 0 && errno == EAGAIN;
  }

 private:
  UniqueFd socket_;
};

}  // namespace

Result<UniqueFd> connect_tcp(const std::string& host, std::uint16_t port,
                             const Limit& limit) {
  TRY(const auto addresses, resolve(host, port, limit));
  for (std::size_t i = 0;; ++i) {
    const auto share = limit.left() / static_cast<int>(addresses.size() - i);
    auto socket =
        connect_one(addresses[i], Limit::after(share, limit.cancellation));
    if (socket || i + 1 == addresses.size() || !limit.check()) return socket;
  }
}

std::unique_ptr<Stream> plain_stream(UniqueFd socket) {
  return std::make_unique<PlainStream>(std::move(socket));
}

}  // namespace gpunode::http
