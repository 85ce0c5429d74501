#include "base/host/root_walk.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <deque>
#include <string_view>
#include <vector>

namespace gpunode::host {
namespace {

constexpr int kMaxLinks = 40;  // The kernel's MAXSYMLINKS.

/// Resolution in progress: the directories walked down, and what is to come.
class Walk {
 public:
  Walk(int root_fd, int flags) : root_fd_(root_fd), flags_(flags) {}

  OpenOutcome run(const std::string& path) {
    prepend(path);
    while (!pending_.empty()) {
      const std::string name = pending_.front();
      pending_.pop_front();
      if (name == ".") continue;
      if (name == "..") {
        if (!down_.empty()) down_.pop_back();
        continue;
      }
      OpenOutcome outcome = pending_.empty() ? last(name) : middle(name);
      if (outcome.error != 0 || outcome.fd) return outcome;
    }
    return open_at(top(), ".", flags_);
  }

 private:
  static OpenOutcome failed(int error) { return {UniqueFd(), error}; }

  static OpenOutcome open_at(int dir, const char* name, int flags) {
    UniqueFd fd(::openat(dir, name, flags | O_CLOEXEC));
    if (!fd) return failed(errno);
    return {std::move(fd), 0};
  }

  int top() const { return down_.empty() ? root_fd_ : down_.back().get(); }

  /// Queues the components of `path` before what is pending. A trailing slash
  /// becomes ".", which only a directory has.
  void prepend(std::string_view path) {
    std::vector<std::string> names;
    while (!path.empty()) {
      const std::size_t slash = path.find('/');
      if (slash != 0) names.emplace_back(path.substr(0, slash));
      if (slash == std::string_view::npos) break;
      path.remove_prefix(slash + 1);
      if (path.empty() && !names.empty()) names.emplace_back(".");
    }
    pending_.insert(pending_.begin(), names.begin(), names.end());
  }

  /// Steps into `name`, which more components follow.
  OpenOutcome middle(const std::string& name) {
    OpenOutcome step = open_at(top(), name.c_str(), O_PATH | O_NOFOLLOW);
    if (step.error != 0) return step;
    struct stat status {};
    if (::fstat(step.fd.get(), &status) != 0) return failed(errno);
    if (S_ISLNK(status.st_mode)) return failed(follow(step.fd.get()));
    if (!S_ISDIR(status.st_mode)) return failed(ENOTDIR);
    down_.push_back(std::move(step.fd));
    return {};
  }

  /// Opens `name`, the end of the path, or queues what it links to.
  OpenOutcome last(const std::string& name) {
    const bool follow_link = (flags_ & O_NOFOLLOW) == 0;
    if (follow_link) {
      OpenOutcome step = open_at(top(), name.c_str(), O_PATH | O_NOFOLLOW);
      if (step.error != 0) return step;
      struct stat status {};
      if (::fstat(step.fd.get(), &status) != 0) return failed(errno);
      if (S_ISLNK(status.st_mode)) return failed(follow(step.fd.get()));
    }
    // O_NOFOLLOW: had the name become a link since we looked, this fails
    // rather than lets the kernel follow it out of the root.
    return open_at(top(), name.c_str(), flags_ | O_NOFOLLOW);
  }

  /// Replaces the link `fd` by its text. Returns errno or 0.
  int follow(int fd) {
    if (++links_ > kMaxLinks) return ELOOP;
    std::array<char, PATH_MAX> text{};
    const ssize_t size = ::readlinkat(fd, "", text.data(), text.size());
    if (size < 0) return errno;
    if (size == 0 || size == static_cast<ssize_t>(text.size())) return ENOENT;
    const std::string_view target(text.data(), static_cast<std::size_t>(size));
    if (target.front() == '/') {
      // procfs has no absolute links but its magic ones.
      struct statfs filesystem {};
      if (::fstatfs(fd, &filesystem) != 0) return errno;
      if (filesystem.f_type == PROC_SUPER_MAGIC) return ELOOP;
      down_.clear();
    }
    prepend(target);
    return 0;
  }

  int root_fd_;
  int flags_;
  int links_ = 0;
  std::vector<UniqueFd> down_;
  std::deque<std::string> pending_;
};

}  // namespace

OpenOutcome open_in_root(int root_fd, const std::string& path, int flags) {
  open_how how{};
  how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  UniqueFd fd(static_cast<int>(
      ::syscall(SYS_openat2, root_fd, path.c_str(), &how, sizeof how)));
  if (fd) return {std::move(fd), 0};
  // EPERM: filters older than the call. If it is the file's own answer, the
  // walk repeats it. EAGAIN: something, somewhere, was renamed while the
  // kernel checked a ".."; the walk does not depend on that.
  if (errno == ENOSYS || errno == EPERM || errno == EAGAIN) {
    return walk_in_root(root_fd, path, flags);
  }
  return {UniqueFd(), errno};
}

OpenOutcome walk_in_root(int root_fd, const std::string& path, int flags) {
  if (path.empty()) return {UniqueFd(), ENOENT};
  if (path.size() >= PATH_MAX) return {UniqueFd(), ENAMETOOLONG};
  return Walk(root_fd, flags).run(path);
}

}  // namespace gpunode::host
