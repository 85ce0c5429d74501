#include "base/host/filesystem_space.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cerrno>

namespace gpunode::host {

Result<FilesystemSpace> read_space(const HostRoot& host,
                                   const std::string& path) {
  TRY(const UniqueFd directory, host.open(path, O_PATH | O_DIRECTORY));
  struct statvfs space {};
  if (::fstatvfs(directory.get(), &space) != 0) {
    return Error::from_errno("look at the room on " + host.outside(path),
                             errno);
  }
  struct stat status {};
  if (::fstat(directory.get(), &status) != 0) {
    return Error::from_errno("look at " + host.outside(path), errno);
  }
  // btrfs and others make inodes as they need them, and say 0 of 0.
  const std::uint64_t inodes = space.f_files == 0 ? 1 : space.f_favail;
  return FilesystemSpace{
      .available_bytes = std::uint64_t{space.f_bavail} * space.f_frsize,
      .free_inodes = inodes,
      .read_only = (space.f_flag & ST_RDONLY) != 0,
      .device = status.st_dev};
}

}  // namespace gpunode::host
