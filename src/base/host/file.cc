#include "base/host/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>

#include "base/core/unique_fd.h"

namespace gpunode::host {
namespace {

/// A new file in a directory, removed again unless renamed away.
class TemporaryFile {
 public:
  /// Returns errno or 0. `base` is the name that it will take in the end.
  int create(int directory, const std::string& base) {
    // A process that was killed between creation and rename left its file
    // behind, and process ids come again; hence the attempts.
    static std::atomic<unsigned> serial{0};
    for (int attempt = 0; attempt < 100; ++attempt) {
      // The dot and the suffix keep it from those who watch for "*.json".
      name_ = "." + base.substr(0, 200) + "." + std::to_string(::getpid()) +
              "." + std::to_string(serial++) + ".tmp";
      file_.reset(::openat(directory, name_.c_str(),
                           O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                           0600));
      if (file_) {
        directory_ = directory;
        return 0;
      }
      if (errno != EEXIST) break;
    }
    return errno;
  }

  TemporaryFile() = default;
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (directory_ >= 0) ::unlinkat(directory_, name_.c_str(), 0);
  }

  int fill(std::string_view bytes, mode_t mode, Durability durability) const {
    while (!bytes.empty()) {
      const ssize_t n = ::write(file_.get(), bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return errno;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    if (::fchmod(file_.get(), mode) != 0) return errno;
    if (durability == Durability::kDurable && ::fsync(file_.get()) != 0) {
      return errno;
    }
    return 0;
  }

  int rename_to(const std::string& base) {
    // NFS and FUSE report a failed write only here.
    if (::close(file_.release()) != 0 && errno != EINTR) return errno;
    if (::renameat(directory_, name_.c_str(), directory_, base.c_str()) != 0) {
      return errno;
    }
    directory_ = -1;
    return 0;
  }

 private:
  int directory_ = -1;  // The caller's; -1 once there is nothing to remove.
  std::string name_;
  UniqueFd file_;
};

}  // namespace

Result<void> write_file_atomic(const std::string& path, std::string_view bytes,
                               mode_t mode, Durability durability) {
  const std::string attempt = "write " + path;
  const std::size_t slash = path.rfind('/');
  const std::string base =
      slash == std::string::npos ? path : path.substr(slash + 1);
  const std::string parent = slash == std::string::npos ? "."
                             : slash == 0               ? "/"
                                                        : path.substr(0, slash);
  const UniqueFd directory(
      ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return Error::from_errno(attempt, errno);

  TemporaryFile temporary;
  int error = temporary.create(directory.get(), base);
  if (error == 0) error = temporary.fill(bytes, mode, durability);
  if (error == 0) error = temporary.rename_to(base);
  if (error == 0 && durability == Durability::kDurable &&
      ::fsync(directory.get()) != 0) {
    error = errno;
  }
  if (error != 0) return Error::from_errno(attempt, error);
  return {};
}

}  // namespace gpunode::host
