#include "container/hook/bound_file.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ctime>
#include <filesystem>
#include <system_error>

#include "base/host/container_label.h"

// <sys/mount.h> and <linux/mount.h> of Debian 12 define the same names.
extern "C" int mount(const char* source, const char* target, const char* type,
                     unsigned long flags, const void* data) noexcept;
extern "C" int umount2(const char* target, int flags) noexcept;

namespace gpunode::hook {
namespace {

// Where a file to be mounted is made. In a user namespace only the last two can
// be written to.
constexpr std::array kStores = {"/run", "/dev/shm", "/tmp"};

constexpr std::string_view kPrefix = ".gpunode-";

constexpr unsigned kAttempts = 16;

constexpr unsigned long kClassicFlags =
    MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
constexpr int kDetach = 2;  // MNT_DETACH

std::string self_path(int fd) {
  return "/proc/self/fd/" + std::to_string(fd);
}

/// Still has a name.
bool has_name(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 && status.st_nlink > 0;
}

/// Removes a file that a hook made and, killed, left under its name. One that
/// is in use is locked; one of another user is not ours to judge.
void remove_if_left(const char* path) {
  const UniqueFd file(
      ::open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0) return;
  if (!S_ISREG(status.st_mode) || status.st_uid != ::geteuid()) return;
  if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) ::unlink(path);
}

void remove_all_left(const char* store) {
  std::error_code failure;
  std::filesystem::directory_iterator entry(store, failure);
  for (; !failure && entry != std::filesystem::directory_iterator();
       entry.increment(failure)) {
    const std::filesystem::path& path = entry->path();
    if (path.filename().native().starts_with(kPrefix)) {
      remove_if_left(path.c_str());
    }
  }
}

/// A file that has a name only as long as this value lives: the kernel mounts
/// no file that has none (O_TMPFILE, memfd), and one that loses its name while
/// mounted stays. Killed in between, the name is left; whoever makes the next
/// such file takes it away.
class BriefFile {
 public:
  BriefFile() = default;
  BriefFile(const BriefFile&) = delete;
  BriefFile& operator=(const BriefFile&) = delete;
  ~BriefFile() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }

  int fd() const { return fd_.get(); }

  /// Returns errno or 0.
  int create(std::string_view bytes) {
    int error = ENOENT;
    for (const char* store : kStores) {
      remove_all_left(store);
      error = create_in(store, bytes);
      if (error == 0) break;
    }
    return error;
  }

 private:
  int create_in(const char* store, std::string_view bytes) {
    int error = EEXIST;
    for (unsigned i = 0; i < kAttempts && error == EEXIST; ++i) {
      error = make_named(store);
    }
    if (error != 0) return error;
    while (!bytes.empty()) {
      const ssize_t n = ::write(fd_.get(), bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return errno;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    if (::fchmod(fd_.get(), 0444) != 0) return errno;
    host::label_for_containers(fd_.get());
    return 0;
  }

  /// EEXIST: to be tried again.
  int make_named(const char* store) {
    // getrandom(2) is younger than Linux 3.10; that the name is new is what
    // counts, and O_EXCL sees to that.
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    std::string path = std::string(store) + "/" + std::string(kPrefix) +
                       std::to_string(::getpid()) + "-" +
                       std::to_string(now.tv_nsec);
    UniqueFd file(::open(path.c_str(),
                         O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                         0400));
    if (!file) return errno;
    // Another hook may have taken it for a leftover before it was locked.
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0 || !has_name(file.get())) {
      return EEXIST;
    }
    if (!path_.empty()) ::unlink(path_.c_str());
    path_ = std::move(path);
    fd_ = std::move(file);
    return 0;
  }

  UniqueFd fd_;
  std::string path_;
};

int bind_tree(int file, int target) {
  const UniqueFd tree(static_cast<int>(
      ::syscall(SYS_open_tree, file, "",
                OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH)));
  if (!tree) return errno;
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
                        MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  if (::syscall(SYS_mount_setattr, tree.get(), "", AT_EMPTY_PATH, &attributes,
                sizeof attributes) != 0) {
    return errno;
  }
  if (::syscall(SYS_move_mount, tree.get(), "", target, "",
                MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0) {
    return errno;
  }
  return 0;
}

/// False too if it may not be read, as files of procfs.
bool has_content(const UniqueFd& target, std::string_view bytes) {
  const auto file = host::reopen_file(target, "");
  if (!file) return false;
  const auto content = host::read_all(file->get(), bytes.size(), "");
  return content && *content == bytes;
}

bool is_same_file(int left, int right) {
  struct stat a {};
  struct stat b {};
  return ::fstat(left, &a) == 0 && ::fstat(right, &b) == 0 &&
         a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

int bind_classic(int file, int target, const host::RootDirectory& root,
                 const std::string& path) {
  if (::mount(self_path(file).c_str(), self_path(target).c_str(), nullptr,
              MS_BIND, nullptr) != 0) {
    return errno;
  }
  // `target` is what lies below the mount now. Whatever the path leads to by
  // this time, if it is our file, then it is our mount.
  const auto covered = root.open_path(path, O_PATH);
  if (!covered || !is_same_file(covered->get(), file)) return EAGAIN;
  if (::mount(nullptr, self_path(covered->get()).c_str(), nullptr,
              kClassicFlags, nullptr) != 0) {
    const int error = errno;
    ::umount2(self_path(covered->get()).c_str(), kDetach);
    return error;
  }
  return 0;
}

}  // namespace

int bind_file(BindMethod method, int file, int target,
              const host::RootDirectory& root, const std::string& path) {
  return method == BindMethod::kTree ? bind_tree(file, target)
                                     : bind_classic(file, target, root, path);
}

Result<host::Change> bind_over(const host::RootDirectory& root,
                               const std::string& path,
                               std::string_view bytes) {
  TRY(const UniqueFd target, root.open_path(path, O_PATH));
  struct stat status {};
  if (::fstat(target.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return Error(
        ErrorCode::kInvalidArgument,
        "mount over " + host::printable(path) + ": not a regular file");
  }
  if (has_content(target, bytes)) return host::Change::kNone;

  BriefFile file;
  if (const int error = file.create(bytes); error != 0) {
    return Error::from_errno("make a file in /run, /dev/shm or /tmp", error);
  }
  int error = bind_file(BindMethod::kTree, file.fd(), target.get(), root, path);
  if (error == ENOSYS || error == EPERM || error == EINVAL) {
    error =
        bind_file(BindMethod::kClassic, file.fd(), target.get(), root, path);
  }
  if (error != 0) {
    return Error::from_errno("mount over " + host::printable(path), error);
  }
  return host::Change::kMade;
}

Result<host::Change> uncover(const host::RootDirectory& root,
                             const std::string& path, std::string_view bytes) {
  const auto target = root.open_path(path, O_PATH);
  if (!target || !has_content(*target, bytes)) return host::Change::kNone;
  if (::umount2(self_path(target->get()).c_str(), kDetach) == 0) {
    return host::Change::kMade;
  }
  if (errno == EINVAL) return host::Change::kNone;  // The root's own file.
  return Error::from_errno("uncover " + host::printable(path), errno);
}

Result<std::optional<std::string>> replace_or_cover(
    const host::RootDirectory& root, const std::string& path,
    std::string_view bytes) {
  const auto written = root.replace_file(path, bytes, 0644);
  if (written) return std::optional<std::string>();
  const auto bound = bind_over(root, path, bytes);
  if (bound) return std::optional<std::string>();
  std::string remedy;
  if (bound.error().code() == ErrorCode::kNotFound) {
    remedy = "give the image a " + path;
  } else if (written.error().code() == ErrorCode::kUnavailable) {  // EBUSY
    remedy = "the container mounts a file of its own there";
  } else {
    return bound.error();
  }
  return std::optional(written.error().message() +
                       ": programs find the driver's libraries only through "
                       "LD_LIBRARY_PATH; " +
                       remedy);
}

}  // namespace gpunode::hook
