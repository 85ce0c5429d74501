#include "base/host/host_namespace.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/core/unique_fd.h"

namespace gpunode::host {
namespace {

constexpr const char* kOwn = "/proc/self/ns/mnt";

Result<struct stat> identity(int fd, const std::string& path) {
  struct stat found {};
  if (::fstat(fd, &found) != 0) return Error::from_errno("stat " + path, errno);
  return found;
}

Result<UniqueFd> open_namespace(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return Error::from_errno("open " + path, errno);
  return fd;
}

}  // namespace

Result<void> enter_mount_namespace(const std::string& namespace_path) {
  TRY(const UniqueFd theirs, open_namespace(namespace_path));
  TRY(const UniqueFd ours, open_namespace(kOwn));
  TRY(const struct stat there, identity(theirs.get(), namespace_path));
  TRY(const struct stat here, identity(ours.get(), kOwn));
  if (there.st_dev == here.st_dev && there.st_ino == here.st_ino) return {};
  if (::setns(theirs.get(), CLONE_NEWNS) != 0) {
    return Error::from_errno("enter " + namespace_path, errno);
  }
  // The kernel has set the root and the working directory to that one's root.
  if (::chdir("/") != 0) return Error::from_errno("chdir /", errno);
  return {};
}

}  // namespace gpunode::host
