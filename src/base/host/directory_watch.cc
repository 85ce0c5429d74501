#include "base/host/directory_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

namespace gpunode::host {
namespace {

using Kind = DirectoryEvent::Kind;

constexpr std::uint32_t kCreated = IN_CREATE | IN_MOVED_TO;
constexpr std::uint32_t kRemoved = IN_DELETE | IN_MOVED_FROM;
constexpr std::uint32_t kSelf = IN_DELETE_SELF | IN_MOVE_SELF;
constexpr std::uint32_t kGone = kSelf | IN_UNMOUNT | IN_IGNORED;
constexpr std::uint32_t kWanted =
    kCreated | kRemoved | kSelf | IN_CLOSE_WRITE | IN_ONLYDIR;

Kind kind_of(std::uint32_t mask) {
  if ((mask & kCreated) != 0) return Kind::kCreated;
  if ((mask & kRemoved) != 0) return Kind::kRemoved;
  return Kind::kWritten;
}

}  // namespace

Result<DirectoryWatch> DirectoryWatch::open(const std::string& path) {
  UniqueFd inotify(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!inotify) {
    const int error = errno;
    Error failed = Error::from_errno("watch " + path, error);
    if (error != EMFILE) return failed;
    // The usual cause on nodes with many agents, and never this process's own
    // file limit, as people read it.
    return Error(
        failed.code(),
        failed.message() + "; raise fs.inotify.max_user_instances (sysctl)");
  }
  DirectoryWatch watch(path, std::move(inotify));
  TRY_VOID(watch.rearm());
  return watch;
}

Result<void> DirectoryWatch::rearm() {
  const int watch = ::inotify_add_watch(inotify_.get(), path_.c_str(), kWanted);
  if (watch < 0) {
    const int error = errno;
    Error failed = Error::from_errno("watch " + path_, error);
    if (error != ENOSPC) return failed;
    return Error(failed.code(), "watch " + path_ +
                                    ": no inotify watch left; raise "
                                    "fs.inotify.max_user_watches (sysctl)");
  }
  if (watch_ >= 0 && watch != watch_) {
    ::inotify_rm_watch(inotify_.get(), watch_);
  }
  watch_ = watch;
  return {};
}

std::vector<DirectoryEvent> DirectoryWatch::take_events() {
  std::vector<DirectoryEvent> events;
  alignas(inotify_event) std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t size = ::read(inotify_.get(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return events;
    for (ssize_t at = 0; at < size;) {
      inotify_event event{};
      std::memcpy(&event, buffer.data() + at, sizeof event);
      const char* name = buffer.data() + at + sizeof event;
      at += static_cast<ssize_t>(sizeof event + event.len);
      if ((event.mask & IN_Q_OVERFLOW) != 0) {
        events.push_back({Kind::kRescan, ""});
      } else if (event.wd != watch_) {
        // Late words from a directory that is no longer ours.
        continue;
      } else if ((event.mask & kGone) != 0) {
        // A directory that was moved away would go on reporting.
        ::inotify_rm_watch(inotify_.get(), watch_);
        watch_ = -1;
        events.push_back({Kind::kGone, ""});
      } else {
        events.push_back({kind_of(event.mask), event.len > 0 ? name : ""});
      }
    }
  }
}

}  // namespace gpunode::host
