#include "node/provision/run_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include "base/host/host_file.h"

namespace gpunode::provision {
namespace {

std::string holder_of(int fd) {
  std::array<char, 256> text{};
  const ssize_t n = ::pread(fd, text.data(), text.size(), 0);
  std::string holder(text.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
  while (holder.ends_with('\n')) holder.pop_back();
  return holder.empty() ? "another program" : host::printable(holder);
}

}  // namespace

Result<RunLock> RunLock::take(
    const host::HostRoot& host, const std::string& command,
    const std::function<bool(const std::string&)>& outlasts) {
  TRY(const host::RootDirectory root, host::open_host(host));
  TRY(const UniqueFd run, root.make_directories("/run"));
  UniqueFd fd(::openat(run.get(), "gpunode.lock",
                       O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return Error::from_errno(fmt::format("open {}", kLockPath), errno);
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) {
      return Error::from_errno(fmt::format("lock {}", kLockPath), errno);
    }
    const std::string holder = holder_of(fd.get());
    if (outlasts && outlasts(holder)) continue;
    return Error(ErrorCode::kUnavailable,
                 fmt::format("{} is at work on this host; wait until it ends, "
                             "or look at it with `gpunode status`",
                             holder));
  }
  const std::string holder =
      fmt::format("pid {} ({})\n", ::getpid(), command).substr(0, 255);
  if (::ftruncate(fd.get(), 0) != 0 ||
      ::pwrite(fd.get(), holder.data(), holder.size(), 0) < 0) {
    return Error::from_errno(fmt::format("write {}", kLockPath), errno);
  }
  return RunLock(std::move(fd));
}

}  // namespace gpunode::provision
