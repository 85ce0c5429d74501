#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <string_view>

#include "base/core/unique_fd.h"
#include "node/diagnose/agent_status.h"

namespace gpunode::diagnose {
namespace {

using Time = std::chrono::steady_clock;

constexpr std::chrono::seconds kPatience{5};
constexpr std::size_t kMostBytes = std::size_t{64} << 20;
constexpr std::string_view kAsk =
    "GET /status HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n";

Result<UniqueFd> connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return Error(ErrorCode::kInvalidArgument,
                 "connect to " + path + ": the path is too long for a socket");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  UniqueFd socket(
      ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return Error::from_errno("connect to " + path, errno);
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the API's way.
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  if (::connect(socket.get(), generic, sizeof address) != 0) {
    if (errno == ECONNREFUSED || errno == EAGAIN) {
      return Error(ErrorCode::kUnavailable,
                   "connect to " + path + ": " + errno_text(errno));
    }
    return Error::from_errno("connect to " + path, errno);
  }
  return socket;
}

/// Everything until the other side ends.
Result<std::string> receive_all(int socket, const std::string& path) {
  const Time::time_point deadline = Time::now() + kPatience;
  std::string all;
  std::array<char, 65536> part{};
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - Time::now());
    pollfd one{socket, POLLIN, 0};
    if (left.count() <= 0 ||
        ::poll(&one, 1, static_cast<int>(left.count())) == 0) {
      return Error(ErrorCode::kUnavailable,
                   "read " + path + ": no answer within 5 s");
    }
    const ssize_t got = ::recv(socket, part.data(), part.size(), 0);
    if (got == 0) return all;
    if (got < 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      return Error::from_errno("read " + path, errno);
    }
    all.append(part.data(), static_cast<std::size_t>(got));
    if (all.size() > kMostBytes) {
      return Error(ErrorCode::kCorrupt, "read " + path + ": too large");
    }
  }
}

}  // namespace

Result<std::string> ask_agent(const std::string& path) {
  TRY(const UniqueFd socket, connect_to(path));
  // A new socket's buffer takes these few bytes at once.
  if (::send(socket.get(), kAsk.data(), kAsk.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(kAsk.size())) {
    return Error::from_errno("write to " + path, errno);
  }
  TRY(std::string answer, receive_all(socket.get(), path));
  if (answer.empty()) {
    return Error(ErrorCode::kUnavailable,
                 "read " + path + ": the agent ended before it answered");
  }
  const std::size_t head = answer.find("\r\n\r\n");
  if (!answer.starts_with("HTTP/1.1 200 ") || head == std::string::npos) {
    return Error(ErrorCode::kCorrupt,
                 "read " + path + ": the answer is not the agent's");
  }
  return answer.substr(head + 4);
}

}  // namespace gpunode::diagnose
