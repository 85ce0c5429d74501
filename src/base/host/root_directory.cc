#include "base/host/root_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <memory>
#include <optional>
#include <utility>

#include "base/host/directory_maker.h"
#include "base/host/root_walk.h"

namespace gpunode::host {
namespace {

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

std::string own_temporary_name(const std::string& name) {
  static std::atomic<unsigned> serial{0};
  return temporary_name(name) + "." + std::to_string(::getpid()) + "." +
         std::to_string(serial++);
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

int write_new_file(const Place& place, std::string_view bytes,
                   const FileForm& form) {
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
  // The owner first: to change it takes set-user-id bits away.
  if (form.owner &&
      ::fchown(file.get(), form.owner->user, form.owner->group) != 0) {
    return errno;
  }
  for (const FileAttribute& attribute : form.attributes) {
    if (::fsetxattr(file.get(), attribute.name.c_str(), attribute.value.data(),
                    attribute.value.size(), 0) != 0) {
      return errno;
    }
  }
  if (::fchmod(file.get(), form.mode) != 0) return errno;
  if (form.durability == Durability::kDurable && ::fsync(file.get()) != 0) {
    return errno;
  }
  // Network and FUSE file systems report a failed write only here.
  if (::close(file.release()) != 0 && errno != EINTR) return errno;
  return 0;
}

/// Where the kernel shows what a descriptor stands for.
std::string name_of(int fd) {
  return "/proc/self/fd/" + std::to_string(fd);
}

int sync_directory(const UniqueFd& path_fd) {
  const UniqueFd directory(::open(name_of(path_fd.get()).c_str(),
                                  O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return directory && ::fsync(directory.get()) == 0 ? 0 : errno;
}

/// Names of extended attributes are short and few; values are at most 64 KiB.
constexpr std::size_t kAttributeLimitBytes = std::size_t{64} << 10U;

std::optional<std::string> attribute_value(int fd, const char* name) {
  std::string value(kAttributeLimitBytes, '\0');
  const ssize_t size = ::fgetxattr(fd, name, value.data(), value.size());
  if (size < 0) return std::nullopt;
  value.resize(static_cast<std::size_t>(size));
  return value;
}

/// Returns errno or 0. A file system without attributes has none.
int read_attributes(int fd, std::vector<FileAttribute>& attributes) {
  std::string names(kAttributeLimitBytes, '\0');
  const ssize_t size = ::flistxattr(fd, names.data(), names.size());
  if (size < 0) return errno == ENOTSUP || errno == ENOSYS ? 0 : errno;
  names.resize(static_cast<std::size_t>(size));
  for (std::size_t at = 0; at < names.size();) {
    const char* name = names.c_str() + at;
    auto value = attribute_value(fd, name);
    if (!value) return errno;
    attributes.push_back({name, *std::move(value)});
    at += attributes.back().name.size() + 1;
  }
  return 0;
}

bool has_attributes(int fd, const std::vector<FileAttribute>& wanted) {
  return std::ranges::all_of(wanted, [&](const FileAttribute& attribute) {
    return attribute_value(fd, attribute.name.c_str()) == attribute.value;
  });
}

bool is_file_with(const Place& place, std::string_view bytes,
                  const FileForm& form) {
  const auto file = open_file_at(place.directory.get(), place.name);
  if (!file) return false;
  struct stat status {};
  if (::fstat(file->get(), &status) != 0) return false;
  if ((status.st_mode & 07777U) != form.mode) return false;
  if (form.owner && (status.st_uid != form.owner->user ||
                     status.st_gid != form.owner->group)) {
    return false;
  }
  if (static_cast<std::size_t>(status.st_size) != bytes.size()) return false;
  if (!has_attributes(file->get(), form.attributes)) return false;
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
  UniqueFd file(::open(name_of(path_fd.get()).c_str(), O_RDONLY | O_CLOEXEC));
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
  OpenOutcome outcome =
      open_in_root(fd(), joined_path(path_components(path)), flags);
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
  if (const int error = maker.run(path_components(path)); error != 0) {
    return failed("make directory", path, error);
  }
  return maker.result();
}

namespace {

/// Takes `path` apart and makes its directory.
Result<Place> place_of(const RootDirectory& root, const std::string& path) {
  std::vector<std::string> names = path_components(path);
  if (names.empty() || path.find('\0') != std::string::npos) {
    return failed("write", path, EINVAL);
  }
  Place place;
  place.name = names.back();
  place.temporary = temporary_name(place.name);
  names.pop_back();
  TRY(place.directory, root.make_directories(joined_path(names)));
  return place;
}

}  // namespace

Result<std::string> RootDirectory::resolve(const std::string& path) const {
  TRY(const UniqueFd found, open_path(path, O_PATH));
  // Both as this process sees them: the difference is what is inside.
  const auto root = link_text(AT_FDCWD, name_of(fd()));
  const auto inside = link_text(AT_FDCWD, name_of(found.get()));
  if (!root || !inside) return failed("resolve", path, errno);
  const std::string prefix = *root == "/" ? "" : *root;
  if (*inside == *root) return std::string("/");
  if (!inside->starts_with(prefix + "/")) {
    return Error(ErrorCode::kUnavailable, "resolve " + printable(path) +
                                              ": moved while it was looked at");
  }
  return inside->substr(prefix.size());
}

Result<FileForm> RootDirectory::form_of(const std::string& path) const {
  TRY(const UniqueFd file, open_file(path));
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return failed("stat", path, errno);
  FileForm form{.mode = status.st_mode & 07777U,
                .owner = FileOwner{status.st_uid, status.st_gid}};
  if (const int error = read_attributes(file.get(), form.attributes);
      error != 0) {
    return failed("read the attributes of", path, error);
  }
  return form;
}

Result<Change> RootDirectory::replace_file(const std::string& path,
                                           std::string_view bytes,
                                           const FileForm& form) const {
  TRY(Place place, place_of(*this, path));
  if (is_file_with(place, bytes, form)) return Change::kNone;
  if (form.has_rivals) place.temporary = own_temporary_name(place.name);
  int error = write_new_file(place, bytes, form);
  if (error == 0) {
    error = move_in_place(place);
  } else if (error != EROFS) {
    ::unlinkat(place.directory.get(), place.temporary.c_str(), 0);
  }
  if (error == 0 && form.durability == Durability::kDurable) {
    error = sync_directory(place.directory);
  }
  if (error != 0) return failed("write", path, error);
  return Change::kMade;
}

Result<void> RootDirectory::make_device(const std::string& path,
                                        mode_t mode_and_kind,
                                        dev_t device) const {
  TRY(const Place place, place_of(*this, path));
  const int directory = place.directory.get();
  if (::mknodat(directory, place.name.c_str(), mode_and_kind, device) != 0) {
    return failed("make node", path, errno);
  }
  // The umask must not take from the mode. O_PATH knows no fchmod, and the name
  // may have got another meaning meanwhile.
  const UniqueFd node(
      ::openat(directory, place.name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat status {};
  if (!node || ::fstat(node.get(), &status) != 0) {
    return failed("make node", path, errno);
  }
  if (status.st_rdev != device ||
      ::chmod(name_of(node.get()).c_str(), mode_and_kind & 07777U) != 0) {
    return failed("make node", path, status.st_rdev != device ? EEXIST : errno);
  }
  return {};
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

Result<Change> RootDirectory::remove_file(const std::string& path,
                                          Durability durability) const {
  std::vector<std::string> names = path_components(path);
  if (names.empty()) return failed("remove", path, EINVAL);
  const std::string name = names.back();
  names.pop_back();
  OpenOutcome directory =
      open_in_root(fd(), joined_path(names), O_PATH | O_DIRECTORY);
  if (directory.error == ENOENT || directory.error == ENOTDIR) {
    return Change::kNone;
  }
  if (!directory.fd) return failed("remove", path, directory.error);
  if (::unlinkat(directory.fd.get(), name.c_str(), 0) != 0) {
    if (errno == ENOENT) return Change::kNone;
    return failed("remove", path, errno);
  }
  const int error =
      durability == Durability::kDurable ? sync_directory(directory.fd) : 0;
  if (error != 0) return failed("remove", path, error);
  return Change::kMade;
}

bool RootDirectory::is_read_only(const std::string& path) const {
  std::vector<std::string> names = path_components(path);
  for (;;) {
    const OpenOutcome found = open_in_root(fd(), joined_path(names), O_PATH);
    struct statvfs status {};
    if (found.fd && ::fstatvfs(found.fd.get(), &status) == 0) {
      return (status.f_flag & ST_RDONLY) != 0;
    }
    if (names.empty()) return false;
    names.pop_back();
  }
}

}  // namespace gpunode::host
