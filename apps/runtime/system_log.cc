#include "apps/runtime/system_log.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include <fmt/format.h>

#include "base/core/unique_fd.h"

namespace gpunode::runtime {
namespace {

constexpr int kDaemonWarning = 3 * 8 + 4;  // RFC 3164: facility, severity.

}  // namespace

void warn_system_log(std::string_view message, const char* path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t length = std::strlen(path);
  if (length >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, path, length);
  const UniqueFd socket(
      ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return;
  const std::string line = fmt::format("<{}>gpunode-runtime[{}]: {}",
                                       kDaemonWarning, ::getpid(), message);
  static_cast<void>(
      ::sendto(socket.get(), line.data(), line.size(), MSG_NOSIGNAL,
               reinterpret_cast<const sockaddr*>(&address), sizeof address));
}

}  // namespace gpunode::runtime
