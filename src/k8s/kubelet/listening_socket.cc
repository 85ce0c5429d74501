#include "k8s/kubelet/listening_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace gpunode::kubelet {
namespace {

constexpr int kBacklog = 64;

Result<sockaddr_un> address_of(const std::string& path,
                               const std::string& attempted) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return Error(ErrorCode::kInvalidArgument,
                 attempted + ": a socket's path has 1 to 107 bytes, not " +
                     std::to_string(path.size()));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

const char* kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISREG(mode)) return "a regular file";
  if (S_ISLNK(mode)) return "a symbolic link";
  return "not a socket";
}

// Whether somebody lives behind a socket's file does not matter: the kubelet's
// directory is ours to listen in, and two agents on a node are a rollout, in
// which the newer one wins.
Result<void> clear_the_way(const std::string& path,
                           const std::string& attempted) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) return {};  // bind() will tell.
  if (!S_ISSOCK(found.st_mode)) {
    return Error(ErrorCode::kAlreadyExists, attempted + ": the path is " +
                                                kind_of(found.st_mode) +
                                                "; remove it by hand");
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return Error::from_errno(attempted + ": remove the stale socket", errno);
  }
  return {};
}

}  // namespace

Result<ListeningSocket> ListeningSocket::bind(const std::string& path) {
  const std::string attempted = "listen on " + path;
  TRY(const sockaddr_un address, address_of(path, attempted));
  TRY_VOID(clear_the_way(path, attempted));

  ListeningSocket made;
  made.fd_.reset(
      ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!made.fd_) return Error::from_errno(attempted, errno);
  // Before bind() the mode is that of the file to come: no moment in which
  // others may connect, and no umask(), which would be the whole process's.
  if (::fchmod(made.fd(), 0600) != 0) {
    return Error::from_errno(attempted, errno);
  }
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the API's way.
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  if (::bind(made.fd(), generic, sizeof address) != 0) {
    return Error::from_errno(attempted, errno);
  }
  struct stat bound {};
  if (::stat(path.c_str(), &bound) != 0 || ::listen(made.fd(), kBacklog) != 0) {
    const int cause = errno;
    ::unlink(path.c_str());
    return Error::from_errno(attempted, cause);
  }
  made.path_ = path;
  made.device_ = bound.st_dev;
  made.inode_ = bound.st_ino;
  return made;
}

ListeningSocket::ListeningSocket(ListeningSocket&& other) noexcept
    : fd_(std::move(other.fd_)),
      path_(std::move(other.path_)),
      device_(other.device_),
      inode_(other.inode_) {}

ListeningSocket& ListeningSocket::operator=(ListeningSocket&& other) noexcept {
  if (this == &other) return *this;
  close();
  fd_ = std::move(other.fd_);
  path_ = std::move(other.path_);
  device_ = other.device_;
  inode_ = other.inode_;
  return *this;
}

ListeningSocket::~ListeningSocket() {
  close();
}

bool ListeningSocket::is_reachable() const {
  struct stat found {};
  return fd_ && ::lstat(path_.c_str(), &found) == 0 &&
         found.st_dev == device_ && found.st_ino == inode_;
}

void ListeningSocket::close() {
  if (is_reachable()) ::unlink(path_.c_str());
  fd_.reset();
}

Result<UniqueFd> connect_unix(const std::string& path,
                              std::chrono::milliseconds timeout) {
  const std::string attempted = "connect to " + path;
  TRY(const sockaddr_un address, address_of(path, attempted));
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return Error::from_errno(attempted, errno);
  // On a unix socket SO_SNDTIMEO bounds connect(), which waits while the
  // listener's backlog is full.
  timeval limit{};
  limit.tv_sec = static_cast<time_t>(timeout.count() / 1000);
  limit.tv_usec = static_cast<suseconds_t>(timeout.count() % 1000 * 1000);
  (void)::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the API's way.
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  if (::connect(fd.get(), generic, sizeof address) != 0) {
    // No file, a file that nobody listens on, a full backlog: for someone who
    // waits for the kubelet these are one thing.
    if (errno == ENOENT || errno == ECONNREFUSED || errno == EAGAIN) {
      return Error(ErrorCode::kUnavailable,
                   attempted + ": " + errno_text(errno));
    }
    return Error::from_errno(attempted, errno);
  }
  if (::fcntl(fd.get(), F_SETFL, O_NONBLOCK) != 0) {
    return Error::from_errno(attempted, errno);
  }
  return fd;
}

}  // namespace gpunode::kubelet
