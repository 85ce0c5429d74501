#include "base/host/root_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <memory>
#include <optional>
#include <utility>

#include "base/host/root_walk.h"

namespace gpunode::host {
namespace {

// How many links to missing directories one path may lead through.
constexpr int kMaxDanglingLinks = 8;

/// The components of a path, "." and ".." taken out of its text.
std::vector<std::string> components(std::string_view path) {
  std::vector<std::string> names;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string_view name = path.substr(0, slash);
    if (name == "..") {
      if (!names.empty()) names.pop_back();
    } else if (!name.empty() && name != ".") {
      names.emplace_back(name);
    }
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return names;
}

std::string joined(const std::vector<std::string>& names) {
  std::string path;
  for (const std::string& name : names) path += "/" + name;
  return path.empty() ? "/" : path;
}

Error failed(const char* attempt, std::string_view path, int error) {
  return Error::from_errno(std::string(attempt) + " " + printable(path), error);
}

/// Files that the kernel makes up look regular, and to read one may block or
/// change something: /proc/kmsg, trace_pipe.
bool is_made_up(long type) {
  switch (type) {
    case PROC_SUPER_MAGIC:
    case SYSFS_MAGIC:
    case DEBUGFS_MAGIC:
    case TRACEFS_MAGIC:
    case SECURITYFS_MAGIC:
    case CGROUP_SUPER_MAGIC:
    case CGROUP2_SUPER_MAGIC:
    case BPF_FS_MAGIC:
    case PSTOREFS_MAGIC:
    case EFIVARFS_MAGIC:
      return true;
    default:
      return false;
  }
}

std::optional<std::string> link_text(int directory, const std::string& name) {
  std::array<char, PATH_MAX> text{};
  const ssize_t size =
      ::readlinkat(directory, name.c_str(), text.data(), text.size());
  if (size < 0) return std::nullopt;
  return std::string(text.data(), static_cast<std::size_t>(size));
}

/// Makes directories one by one below a root.
class DirectoryMaker {
 public:
  explicit DirectoryMaker(int root) : root_(root) {}

  /// Returns errno or 0; the directory is in result().
  int run(const std::vector<std::string>& names) {
    std::vector<std::string> so_far;
    OpenOutcome parent = open({});
    for (const std::string& name : names) {
      if (!parent.fd) return parent.error;
      so_far.push_back(name);
      OpenOutcome next = open(so_far);
      if (next.error == ENOENT) {
        if (const int error = make(parent.fd.get(), so_far); error != 0) {
          return error;
        }
        next = open(so_far);
      }
      parent = std::move(next);
    }
    result_ = std::move(parent.fd);
    return parent.error;
  }

  UniqueFd result() { return std::move(result_); }

 private:
  OpenOutcome open(const std::vector<std::string>& names) const {
    return open_in_root(root_, joined(names), O_PATH | O_DIRECTORY);
  }

  int make(int parent, const std::vector<std::string>& path) {
    const std::string& name = path.back();
    if (::mkdirat(parent, name.c_str(), 0755) == 0) return 0;
    if (errno != EEXIST) return errno;
    // Either another made it, or it is a link to what is not there.
    const auto target = link_text(parent, name);
    if (!target) return 0;
    if (++links_ > kMaxDanglingLinks) return ELOOP;
    std::string place = *target;
    if (!place.starts_with('/')) {
      place = joined({path.begin(), path.end() - 1}) + "/" + place;
    }
    return run(components(place));
  }

  int root_;
  int links_ = 0;
  UniqueFd result_;
};

/// Where a file is to be: its directory and its name in it.
struct Place {
  UniqueFd directory;
  std::string name;
  std::string temporary;  ///< The name under which it is made.
};

/// One name for all attempts: what a killed process left under it is taken
/// away by the next, so that nothing piles up.
std::string temporary_name(const std::string& name) {
  return "." + name.substr(0, 200) + ".gpunode-new";
}

/// Runs `create`, which answers 0 or errno, after clearing its name.
template <class Create>
int create_temporary(const Place& place, Create create) {
  int error = create();
  if (error != EEXIST) return error;
  if (::unlinkat(place.directory.get(), place.temporary.c_str(), 0) != 0 &&
      errno != ENOENT) {
    return errno;
  }
  return create();
}

int move_in_place(const Place& place) {
  const int directory = place.directory.get();
  if (::renameat(directory, place.temporary.c_str(), directory,
                 place.name.c_str()) == 0) {
    return 0;
  }
  const int error = errno;
  ::unlinkat(directory, place.temporary.c_str(), 0);
  return error;
}

int write_new_file(const Place& place, std::string_view bytes, mode_t mode) {
  UniqueFd file;
  const int error = create_temporary(place, [&] {
    file.reset(::openat(place.directory.get(), place.temporary.c_str(),
                        O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                        0600));
    return file ? 0 : errno;
  });
  if (error != 0) return error;
  while (!bytes.empty()) {
    const ssize_t n = ::write(file.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  if (::fchmod(file.get(), mode) != 0) return errno;
  // Network and FUSE file systems report a failed write only here.
  if (::close(file.release()) != 0 && errno != EINTR) return errno;
  return 0;
}

bool is_file_with(const Place& place, std::string_view bytes, mode_t mode) {
  const auto file = open_file_at(place.directory.get(), place.name);
  if (!file) return false;
  struct stat status {};
  if (::fstat(file->get(), &status) != 0) return false;
  if ((status.st_mode & 07777U) != mode) return false;
  if (static_cast<std::size_t>(status.st_size) != bytes.size()) return false;
  const auto content = read_all(file->get(), bytes.size(), place.name);
  return content && *content == bytes;
}

}  // namespace

std::string printable(std::string_view text) {
  constexpr std::size_t kLimit = 256;
  constexpr const char* kDigits = "0123456789abcdef";
  std::string shown;
  for (const char c : text.substr(0, kLimit)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f) {
      shown += c;
    } else {
      shown += "\\x";
      shown += kDigits[byte >> 4U];
      shown += kDigits[byte & 15U];
    }
  }
  if (text.size() > kLimit) shown += "...";
  return shown;
}

Result<UniqueFd> reopen_file(const UniqueFd& path_fd, std::string_view shown) {
  struct stat status {};
  if (::fstat(path_fd.get(), &status) != 0) return failed("stat", shown, errno);
  if (!S_ISREG(status.st_mode)) {
    return Error(ErrorCode::kInvalidArgument,
                 "open " + printable(shown) + ": not a regular file");
  }
  struct statfs filesystem {};
  if (::fstatfs(path_fd.get(), &filesystem) != 0) {
    return failed("stat", shown, errno);
  }
  if (is_made_up(filesystem.f_type)) {
    return Error(ErrorCode::kInvalidArgument,
                 "open " + printable(shown) + ": not a file of a disk");
  }
  const std::string self = "/proc/self/fd/" + std::to_string(path_fd.get());
  UniqueFd file(::open(self.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return failed("open", shown, errno);
  return file;
}

Result<UniqueFd> open_file_at(int directory, const std::string& name) {
  const UniqueFd path(
      ::openat(directory, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!path) return failed("open", name, errno);
  return reopen_file(path, name);
}

Result<std::string> read_all(int fd, std::size_t limit_bytes,
                             std::string_view shown) {
  std::string bytes;
  std::array<char, 16384> chunk{};
  for (;;) {
    const ssize_t n = ::read(fd, chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed("read", shown, errno);
    if (n == 0) return bytes;
    bytes.append(chunk.data(), static_cast<std::size_t>(n));
    if (bytes.size() > limit_bytes) {
      return Error(ErrorCode::kCorrupt,
                   "read " + printable(shown) + ": larger than " +
                       std::to_string(limit_bytes) + " bytes");
    }
  }
}

Result<RootDirectory> RootDirectory::open(const std::string& directory) {
  const std::string attempt = "open the root " + printable(directory);
  if (directory.empty() || directory.front() != '/' ||
      directory.find('\0') != std::string::npos) {
    return Error(ErrorCode::kInvalidArgument,
                 attempt + ": not an absolute path");
  }
  UniqueFd fd(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return Error::from_errno(attempt, errno);
  struct stat status {};
  struct stat own_root {};
  if (::fstat(fd.get(), &status) != 0 || ::stat("/", &own_root) != 0) {
    return Error::from_errno(attempt, errno);
  }
  if (status.st_dev == own_root.st_dev && status.st_ino == own_root.st_ino) {
    return Error(ErrorCode::kInvalidArgument,
                 attempt + ": it is the root of this process, no container's");
  }
  return RootDirectory(std::move(fd));
}

Result<UniqueFd> RootDirectory::open_path(const std::string& path,
                                          int flags) const {
  if ((flags & O_CREAT) != 0 || path.find('\0') != std::string::npos) {
    return failed("open", path, EINVAL);
  }
  OpenOutcome outcome = open_in_root(fd(), joined(components(path)), flags);
  if (!outcome.fd) return failed("open", path, outcome.error);
  return std::move(outcome.fd);
}

Result<UniqueFd> RootDirectory::open_file(const std::string& path) const {
  TRY(const UniqueFd found, open_path(path, O_PATH));
  return reopen_file(found, path);
}

Result<std::string> RootDirectory::read_file(const std::string& path,
                                             std::size_t limit_bytes) const {
  TRY(const UniqueFd file, open_file(path));
  return read_all(file.get(), limit_bytes, path);
}

bool RootDirectory::exists(const std::string& path) const {
  return open_path(path, O_PATH).has_value();
}

Result<std::vector<std::string>> RootDirectory::list_directory(
    const std::string& path, std::size_t limit) const {
  TRY(UniqueFd directory, open_path(path, O_RDONLY | O_DIRECTORY));
  const auto close = [](DIR* dir) { ::closedir(dir); };
  const std::unique_ptr<DIR, decltype(close)> dir(::fdopendir(directory.get()),
                                                  close);
  if (!dir) return failed("list", path, errno);
  static_cast<void>(directory.release());  // closedir closes it.
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is this call's own.
    const dirent* entry = ::readdir(dir.get());
    if (entry == nullptr) break;
    std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (names.size() == limit) {
      return Error(ErrorCode::kCorrupt, "list " + printable(path) +
                                            ": more than " +
                                            std::to_string(limit) + " names");
    }
    names.push_back(std::move(name));
  }
  if (errno != 0) return failed("list", path, errno);
  std::sort(names.begin(), names.end());
  return names;
}

Result<UniqueFd> RootDirectory::make_directories(
    const std::string& path) const {
  if (path.find('\0') != std::string::npos) {
    return failed("make directory", path, EINVAL);
  }
  DirectoryMaker maker(fd());
  if (const int error = maker.run(components(path)); error != 0) {
    return failed("make directory", path, error);
  }
  return maker.result();
}

namespace {

/// Takes `path` apart and makes its directory.
Result<Place> place_of(const RootDirectory& root, const std::string& path) {
  std::vector<std::string> names = components(path);
  if (names.empty() || path.find('\0') != std::string::npos) {
    return failed("write", path, EINVAL);
  }
  Place place;
  place.name = names.back();
  place.temporary = temporary_name(place.name);
  names.pop_back();
  TRY(place.directory, root.make_directories(joined(names)));
  return place;
}

}  // namespace

Result<Change> RootDirectory::replace_file(const std::string& path,
                                           std::string_view bytes,
                                           mode_t mode) const {
  TRY(const Place place, place_of(*this, path));
  if (is_file_with(place, bytes, mode)) return Change::kNone;
  int error = write_new_file(place, bytes, mode);
  if (error == 0) {
    error = move_in_place(place);
  } else if (error != EROFS) {
    ::unlinkat(place.directory.get(), place.temporary.c_str(), 0);
  }
  if (error != 0) return failed("write", path, error);
  return Change::kMade;
}

Result<Change> RootDirectory::replace_link(const std::string& path,
                                           const std::string& target) const {
  if (target.empty() || target.find('\0') != std::string::npos) {
    return failed("link", path, EINVAL);
  }
  TRY(const Place place, place_of(*this, path));
  if (link_text(place.directory.get(), place.name) == target) {
    return Change::kNone;
  }
  int error = create_temporary(place, [&] {
    return ::symlinkat(target.c_str(), place.directory.get(),
                       place.temporary.c_str()) == 0
               ? 0
               : errno;
  });
  if (error == 0) error = move_in_place(place);
  if (error != 0) return failed("link", path, error);
  return Change::kMade;
}

Result<Change> RootDirectory::remove_file(const std::string& path) const {
  std::vector<std::string> names = components(path);
  if (names.empty()) return failed("remove", path, EINVAL);
  const std::string name = names.back();
  names.pop_back();
  OpenOutcome directory =
      open_in_root(fd(), joined(names), O_PATH | O_DIRECTORY);
  if (directory.error == ENOENT || directory.error == ENOTDIR) {
    return Change::kNone;
  }
  if (!directory.fd) return failed("remove", path, directory.error);
  if (::unlinkat(directory.fd.get(), name.c_str(), 0) == 0) {
    return Change::kMade;
  }
  if (errno == ENOENT) return Change::kNone;
  return failed("remove", path, errno);
}

bool RootDirectory::is_read_only(const std::string& path) const {
  std::vector<std::string> names = components(path);
  for (;;) {
    const OpenOutcome found = open_in_root(fd(), joined(names), O_PATH);
    struct statvfs status {};
    if (found.fd && ::fstatvfs(found.fd.get(), &status) == 0) {
      return (status.f_flag & ST_RDONLY) != 0;
    }
    if (names.empty()) return false;
    names.pop_back();
  }
}

}  // namespace gpunode::host
