#include "base/host/host_root.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <memory>
#include <string_view>
#include <utility>

#include "base/host/root_walk.h"

namespace gpunode::host {
namespace {

FileKind kind_of(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return FileKind::kRegular;
    case S_IFDIR:
      return FileKind::kDirectory;
    case S_IFLNK:
      return FileKind::kLink;
    case S_IFCHR:
      return FileKind::kCharDevice;
    case S_IFBLK:
      return FileKind::kBlockDevice;
    case S_IFSOCK:
      return FileKind::kSocket;
    default:
      return FileKind::kOther;
  }
}

Result<std::string> link_text(int fd, const char* name,
                              const std::string& shown) {
  std::array<char, PATH_MAX> text{};
  const ssize_t size = ::readlinkat(fd, name, text.data(), text.size());
  // A descriptor that is not a link answers ENOENT to an empty name.
  if (size < 0) {
    return Error::from_errno("read link " + shown,
                             errno == ENOENT ? EINVAL : errno);
  }
  return std::string(text.data(), static_cast<std::size_t>(size));
}

std::string absolute(const std::string& path) {
  return path.starts_with('/') ? path : "/" + path;
}

/// Calls `visit` with every name but "." and ".." until it answers false.
template <class Visit>
Result<void> for_each_entry(const HostRoot& host, const std::string& path,
                            Visit visit) {
  TRY(UniqueFd fd, host.open(path, O_RDONLY | O_DIRECTORY));
  const auto close = [](DIR* dir) { ::closedir(dir); };
  const std::unique_ptr<DIR, decltype(close)> dir(::fdopendir(fd.get()), close);
  if (!dir) return Error::from_errno("list " + host.outside(path), errno);
  static_cast<void>(fd.release());  // closedir closes it.
  for (;;) {
    errno = 0;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is this call's own.
    const dirent* entry = ::readdir(dir.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != ".." && !visit(entry->d_name)) return {};
  }
  if (errno != 0) return Error::from_errno("list " + host.outside(path), errno);
  return {};
}

}  // namespace

HostRoot::HostRoot(std::string prefix) : prefix_(std::move(prefix)) {
  while (prefix_.size() > 1 && prefix_.back() == '/') prefix_.pop_back();
  if (prefix_.empty()) prefix_ = "/";
}

HostRoot::HostRoot(std::string prefix, std::shared_ptr<HostReads> reads)
    : HostRoot(std::move(prefix)) {
  reads_ = std::move(reads);
}

std::string HostRoot::outside(const std::string& path) const {
  std::string joined = prefix_ == "/" ? "" : prefix_;
  if (path.empty() || path.front() != '/') joined += '/';
  return joined + path;
}

Result<UniqueFd> HostRoot::open(const std::string& path, int flags) const {
  const std::string shown = outside(path);
  if (reads_) {
    return Error(ErrorCode::kUnsupported,
                 "open " + shown + ": a recorded host has no files");
  }
  if ((flags & O_CREAT) != 0 || path.find('\0') != std::string::npos) {
    return Error::from_errno("open " + shown, EINVAL);
  }
  if (prefix_ == "/") {
    UniqueFd fd(::open(shown.c_str(), flags | O_CLOEXEC));
    if (!fd) return Error::from_errno("open " + shown, errno);
    return fd;
  }
  const UniqueFd root(
      ::open(prefix_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return Error::from_errno("open " + prefix_, errno);
  OpenOutcome outcome =
      open_in_root(root.get(), path.empty() ? "/" : path, flags);
  if (!outcome.fd) return Error::from_errno("open " + shown, outcome.error);
  return std::move(outcome.fd);
}

Result<std::string> HostRoot::read_file(const std::string& path,
                                        std::size_t limit_bytes) const {
  if (reads_) return reads_->read_file(absolute(path), limit_bytes);
  // O_NONBLOCK: a FIFO put in a file's place must not hold us.
  TRY(const UniqueFd fd, open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  const std::string shown = outside(path);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) {
    return Error::from_errno("read " + shown, errno);
  }
  if (!S_ISREG(status.st_mode)) {
    return Error(ErrorCode::kInvalidArgument,
                 "read " + shown + ": not a regular file");
  }
  // Files of /proc and /sys have size 0 or 4096, so only EOF tells the end.
  std::string bytes;
  std::array<char, 16384> chunk{};
  for (;;) {
    const ssize_t n = ::read(fd.get(), chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::from_errno("read " + shown, errno);
    if (n == 0) return bytes;
    bytes.append(chunk.data(), static_cast<std::size_t>(n));
    if (bytes.size() > limit_bytes) {
      return Error(ErrorCode::kCorrupt, "read " + shown + ": larger than " +
                                            std::to_string(limit_bytes) +
                                            " bytes");
    }
  }
}

bool HostRoot::exists(const std::string& path) const {
  if (reads_) return reads_->status(absolute(path)).has_value();
  return open(path, O_PATH).has_value();
}

Result<FileStatus> HostRoot::status(const std::string& path) const {
  if (reads_) return reads_->status(absolute(path));
  TRY(const UniqueFd fd, open(path, O_PATH));
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) {
    return Error::from_errno("stat " + outside(path), errno);
  }
  FileStatus found;
  found.kind = kind_of(status.st_mode);
  found.mode = status.st_mode & 07777U;
  found.size_bytes = static_cast<std::uint64_t>(status.st_size);
  found.device_major = major(status.st_rdev);
  found.device_minor = minor(status.st_rdev);
  return found;
}

Result<std::string> HostRoot::read_link(const std::string& path) const {
  if (reads_) return reads_->read_link(absolute(path));
  TRY(const UniqueFd fd, open(path, O_PATH | O_NOFOLLOW));
  return link_text(fd.get(), "", outside(path));
}

Result<std::string> HostRoot::read_attribute(const std::string& path,
                                             const std::string& name) const {
  if (reads_) return reads_->read_attribute(absolute(path), name);
  TRY(const UniqueFd fd, open(path, O_PATH));
  // O_PATH descriptors have no attributes of their own.
  const std::string self = "/proc/self/fd/" + std::to_string(fd.get());
  std::string value(std::size_t{64} << 10U, '\0');
  const ssize_t size =
      ::getxattr(self.c_str(), name.c_str(), value.data(), value.size());
  if (size < 0) {
    const bool is_none = errno == ENODATA || errno == ENOTSUP;
    return Error::from_errno("read attribute " + name + " of " + outside(path),
                             is_none ? ENOENT : errno);
  }
  value.resize(static_cast<std::size_t>(size));
  return value;
}

Result<std::string> HostRoot::resolve(const std::string& path) const {
  if (reads_) return reads_->resolve(absolute(path));
  TRY(const UniqueFd fd, open(path, O_PATH));
  const std::string self = "/proc/self/fd/" + std::to_string(fd.get());
  return link_text(AT_FDCWD, self.c_str(), outside(path));
}

Result<std::vector<std::string>> HostRoot::list_directory(
    const std::string& path) const {
  if (reads_) return reads_->list_directory(absolute(path));
  std::vector<std::string> names;
  const auto keep = [&](const char* name) {
    names.emplace_back(name);
    return true;
  };
  TRY_VOID(for_each_entry(*this, path, keep));
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::size_t> HostRoot::count_entries(const std::string& path,
                                            std::size_t limit) const {
  if (reads_) return reads_->count_entries(absolute(path), limit);
  std::size_t count = 0;
  if (limit == 0) return count;
  TRY_VOID(for_each_entry(*this, path,
                          [&](const char*) { return ++count < limit; }));
  return count;
}

}  // namespace gpunode::host
