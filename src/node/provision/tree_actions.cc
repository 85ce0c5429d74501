#include "node/provision/tree_actions.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/host/filesystem_superblock.h"
#include "base/host/host_file.h"
#include "base/host/mount_table.h"
#include "base/host/storage_view.h"
#include "node/provision/journal.h"
#include "node/provision/tree_count.h"

namespace gpunode::provision {
namespace {

/// Terabytes of images.
constexpr std::chrono::hours kCopyTimeout{12};
/// What a new file system has by itself.
const std::set<std::string> kNotOfTheTree = {"lost+found"};

Result<void> rename_tree(const host::HostRoot& host, const std::string& from,
                         const std::string& to) {
  if (::rename(host.outside(from).c_str(), host.outside(to).c_str()) != 0) {
    return Error::from_errno(fmt::format("rename {} to {}", from, to), errno);
  }
  return {};
}

Result<struct stat> status_of(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) {
    return Error::from_errno("look at " + path, errno);
  }
  return status;
}

/// An empty directory like the one that was set aside, for the mount.
Result<void> make_like(const host::HostRoot& host, const std::string& path,
                       const std::string& like) {
  const std::string made = host.outside(path);
  TRY(const struct stat status, status_of(host.outside(like)));
  if (::mkdir(made.c_str(), status.st_mode & 07777U) != 0 && errno != EEXIST) {
    return Error::from_errno("make " + path, errno);
  }
  if (::chown(made.c_str(), status.st_uid, status.st_gid) != 0 ||
      ::chmod(made.c_str(), status.st_mode & 07777U) != 0) {
    return Error::from_errno("make " + path, errno);
  }
  return {};
}

/// The block device that has this file system.
Result<std::string> device_of(const host::HostRoot& host,
                              const std::string& uuid) {
  TRY(const host::StorageView view, host::read_storage(host));
  for (const host::BlockDevice& device : view.devices) {
    const auto fd = host.open(device.path, O_RDONLY);
    if (!fd) continue;
    const auto block = host::read_superblock(fd->get());
    if (block && block->uuid == uuid) return host.outside(device.path);
  }
  return Error(ErrorCode::kNotFound,
               fmt::format("no disk has the file system {}", uuid));
}

/// A file system mounted where nobody looks, for as long as this lives.
class Stage {
 public:
  static Result<Stage> mount(const host::HostRoot& host,
                             const MigrateTree& action) {
    TRY(const std::string device, device_of(host, action.uuid));
    const std::string path = host.outside("/run/gpunode-stage-" + action.uuid);
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
      return Error::from_errno("make " + path, errno);
    }
    // What a killed run left mounted is mounted anew.
    (void)::umount2(path.c_str(), MNT_DETACH);
    if (::mount(device.c_str(), path.c_str(), action.type.c_str(),
                MS_NOATIME | MS_NODEV | MS_NOSUID | MS_NOEXEC, nullptr) != 0) {
      return Error::from_errno(fmt::format("mount {}", device), errno);
    }
    return Stage(path);
  }

  Stage(Stage&& other) noexcept : path_(std::exchange(other.path_, "")) {}
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;
  Stage& operator=(Stage&&) = delete;
  ~Stage() {
    if (path_.empty()) return;
    (void)::umount2(path_.c_str(), MNT_DETACH);
    (void)::rmdir(path_.c_str());
  }

  const std::string& path() const { return path_; }

  /// Everything on the disk: the last chance to hear of errors.
  Result<void> sync() const {
    const UniqueFd fd(
        ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd || ::syncfs(fd.get()) != 0) {
      return Error::from_errno("sync " + path_, errno);
    }
    return {};
  }

 private:
  explicit Stage(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

Result<void> check_room(const std::string& from, const TreeCount& count,
                        const std::string& to) {
  struct statvfs space {};
  if (::statvfs(to.c_str(), &space) != 0) {
    return Error::from_errno("look at the room on " + to, errno);
  }
  const std::uint64_t free = space.f_bavail * space.f_frsize;
  if (free > count.disk_bytes) return {};
  return Error(ErrorCode::kUnavailable,
               fmt::format("{} has {} MiB and the new disk room for {}: use a "
                           "larger disk, or existingData: discard",
                           from, count.disk_bytes >> 20U, free >> 20U));
}

}  // namespace

std::string unfinished_path(const std::string& uuid) {
  return fmt::format("{}/copying-{}", kStateDirectory, uuid);
}

Result<Inverse> TreeActions::prepare(const MigrateTree& action) {
  return Inverse::of(RestoreTree{action.path, action.aside});
}

Result<void> TreeActions::run(std::vector<std::string> argv) const {
  host::Command command;
  command.argv = std::move(argv);
  command.timeout = kCopyTimeout;
  TRY_VOID(runner_.output(command));
  return {};
}

Result<void> TreeActions::copy(const MigrateTree& action,
                               const std::string& stage) const {
  const std::string from = host_.outside(action.path);
  const std::string unfinished = unfinished_path(action.uuid);
  const bool was_cut_off = host_.exists(unfinished);
  TRY(const TreeCount there, count_tree(stage, kNotOfTheTree));
  if (there.entries != 0 && !was_cut_off) {
    return Error(ErrorCode::kAlreadyExists,
                 fmt::format("the new disk of {} has {} entries that gpunode "
                             "did not put there; look at it first",
                             action.path, there.entries));
  }
  TRY_VOID(host::replace_host_file(
      host_, unfinished, action.path + "\n",
      {.mode = 0600, .durability = host::Durability::kDurable}));
  if (was_cut_off) {
    TRY_VOID(run({"/usr/bin/find", stage, "-xdev", "-mindepth", "1", "-not",
                  "-path", stage + "/lost+found", "-delete"}));
  }
  TRY(const TreeCount wanted, count_tree(from, kNotOfTheTree));
  TRY_VOID(check_room(action.path, wanted, stage));
  TRY_VOID(run({"/bin/cp", "-a", "--sparse=auto", "--one-file-system", "--",
                from + "/.", stage}));
  TRY(const TreeCount copied, count_tree(stage, kNotOfTheTree));
  if (!copied.is_copy_of(wanted)) {
    return Error(
        ErrorCode::kInternal,
        fmt::format("the copy of {} is not the same: {} entries and {} bytes "
                    "instead of {} and {}; something still writes there",
                    action.path, copied.entries, copied.content_bytes,
                    wanted.entries, wanted.content_bytes));
  }
  return {};
}

Result<void> TreeActions::set_aside(const MigrateTree& action) const {
  TRY_VOID(rename_tree(host_, action.path, action.aside));
  return make_like(host_, action.path, action.aside);
}

Result<void> TreeActions::perform(const MigrateTree& action) const {
  if (host_.exists(action.aside)) {
    // Set aside already; the directory for the mount may be missing.
    if (!host_.exists(action.path)) {
      return make_like(host_, action.path, action.aside);
    }
    TRY(const auto names, host_.list_directory(action.path));
    if (names.empty()) return {};
    return Error(ErrorCode::kAlreadyExists,
                 fmt::format("{} is from an earlier migration, and {} has "
                             "entries again; move one of them away first",
                             action.aside, action.path));
  }
  if (action.discard) return set_aside(action);
  TRY(Stage stage, Stage::mount(host_, action));
  TRY_VOID(copy(action, stage.path()));
  TRY_VOID(stage.sync());
  // Whole from here on: a boot may mount it.
  TRY(const host::RootDirectory root, host::open_host(host_));
  TRY_VOID(root.remove_file(unfinished_path(action.uuid),
                            host::Durability::kDurable));
  return set_aside(action);
}

Result<void> TreeActions::perform(const RestoreTree& action) const {
  if (!host_.exists(action.aside)) return {};
  const std::string path = host_.outside(action.path);
  if (::rmdir(path.c_str()) != 0 && errno != ENOENT) {
    const int error = errno;
    if (error == ENOTEMPTY || error == EEXIST || error == EBUSY) {
      return Error(ErrorCode::kAlreadyExists,
                   fmt::format("{} is in use or not empty, so {} stays where "
                               "it is; unmount it or move its content away",
                               action.path, action.aside));
    }
    return Error::from_errno("remove " + action.path, error);
  }
  return rename_tree(host_, action.aside, action.path);
}

}  // namespace gpunode::provision
