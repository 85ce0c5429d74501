#include "container/hook/permissions.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

namespace gpunode::hook {

Result<host::Change> change_mode(const host::RootDirectory& root,
                                 const std::string& path, mode_t mode) {
  TRY(const UniqueFd found, root.open_path(path, O_PATH));
  const std::string attempt = "chmod " + host::printable(path);
  struct stat status {};
  if (::fstat(found.get(), &status) != 0) {
    return Error::from_errno(attempt, errno);
  }
  if ((status.st_mode & 07777U) == mode) return host::Change::kNone;
  // fchmod does not take an O_PATH descriptor; its name in procfs leads to
  // exactly what was found.
  const std::string self = "/proc/self/fd/" + std::to_string(found.get());
  if (::chmod(self.c_str(), mode) != 0) {
    return Error::from_errno(attempt, errno);
  }
  return host::Change::kMade;
}

}  // namespace gpunode::hook
