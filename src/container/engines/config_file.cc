#include "container/engines/config_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include <fmt/format.h>

#include "base/core/unique_fd.h"
#include "base/host/file.h"

namespace gpunode::engines {
namespace {

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

Result<void> make_directories(const std::string& path) {
  if (path.empty() || path == "/") return {};
  if (::mkdir(path.c_str(), 0755) == 0 || errno == EEXIST) return {};
  if (errno != ENOENT) return Error::from_errno("make " + path, errno);
  TRY_VOID(make_directories(parent_of(path)));
  if (::mkdir(path.c_str(), 0755) == 0 || errno == EEXIST) return {};
  return Error::from_errno("make " + path, errno);
}

// A link that leads nowhere would be replaced by a file, and whoever made it
// would wonder.
Result<void> refuse_dangling(const host::HostRoot& root,
                             const std::string& path) {
  const auto target = root.read_link(path);
  if (!target || root.exists(path)) return {};
  return Error(ErrorCode::kNotFound,
               fmt::format("{} is a link to {}, which is not there; make the "
                           "file or remove the link",
                           root.outside(path), *target));
}

Result<void> remove_file(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return Error::from_errno("remove " + path, errno);
  }
  const UniqueFd directory(
      ::open(parent_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory && ::fsync(directory.get()) != 0) {
    return Error::from_errno("remove " + path, errno);
  }
  return {};
}

}  // namespace

Result<std::optional<std::string>> read_config(const host::HostRoot& root,
                                               const std::string& path) {
  TRY_VOID(refuse_dangling(root, path));
  auto text = root.read_file(path);
  if (text) return std::optional(*std::move(text));
  if (text.error().code() == ErrorCode::kNotFound) {
    return std::optional<std::string>{};
  }
  return std::move(text).error();
}

Result<void> write_config(const host::HostRoot& root, const std::string& path,
                          const std::optional<std::string>& text,
                          mode_t new_mode) {
  TRY_VOID(refuse_dangling(root, path));
  std::string file = root.outside(path);
  mode_t mode = new_mode;
  struct stat old {};
  bool is_there = false;
  if (const auto resolved = root.resolve(path)) {
    file = *resolved;
    is_there = ::stat(file.c_str(), &old) == 0;
    if (is_there) mode = old.st_mode & 07777U;
  }
  if (!text) return remove_file(file);
  TRY_VOID(make_directories(parent_of(file)));
  TRY_VOID(
      host::write_file_atomic(file, *text, mode, host::Durability::kDurable));
  if (is_there && (old.st_uid != ::geteuid() || old.st_gid != ::getegid()) &&
      (::chown(file.c_str(), old.st_uid, old.st_gid) != 0 ||
       ::chmod(file.c_str(), mode) != 0)) {
    return Error::from_errno("keep the owner of " + file, errno);
  }
  return {};
}

}  // namespace gpunode::engines
