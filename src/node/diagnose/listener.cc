#include "node/diagnose/listener.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include <fmt/format.h>

#include "base/core/unique_fd.h"

namespace gpunode::diagnose {

std::optional<Listener> listener_on(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return std::nullopt;
  std::memcpy(address.sun_path, path.data(), path.size());
  const UniqueFd socket(
      ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the API's way.
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  if (!socket || ::connect(socket.get(), generic, sizeof address) != 0) {
    // A queue that is full is one of somebody who listens.
    if (!socket || errno != EAGAIN) return std::nullopt;
    return Listener{path, 0, ""};
  }
  Listener listener{path, 0, ""};
  ucred owner{};
  socklen_t size = sizeof owner;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &owner, &size) == 0) {
    listener.pid = owner.pid;
  }
  if (listener.pid > 0) {
    std::ifstream file(fmt::format("/proc/{}/comm", listener.pid));
    std::getline(file, listener.program);
  }
  return listener;
}

std::string name_of(const Listener& listener) {
  if (listener.pid <= 0) return "a process that is not seen from here";
  return fmt::format("{} (process {})",
                     listener.program.empty() ? "a program" : listener.program,
                     listener.pid);
}

}  // namespace gpunode::diagnose
