#include "node/provision/tree_actions.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/host/filesystem_superblock.h"
#include "base/host/host_file.h"
#include "base/host/mount_table.h"
#include "base/host/storage_view.h"
#include "node/provision/journal.h"
#include "node/provision/tree_attributes.h"
#include "node/provision/tree_count.h"
#include "node/provision/tree_use.h"
#include "node/provision/unit_name.h"

namespace gpunode::provision {
namespace {

/// Terabytes of images.
constexpr std::chrono::hours kCopyTimeout{12};
constexpr const char* kSelinuxLabel = "security.selinux";
/// What a new file system has by itself.
const WalkOptions kTheTree = {.skipped = {"lost+found"}};

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
  // Who looks for the mount point while nothing is mounted sees what it saw.
  std::array<char, 256> label{};
  const ssize_t size = ::lgetxattr(host.outside(like).c_str(), kSelinuxLabel,
                                   label.data(), label.size());
  if (size > 0) {
    // Who may not label leaves it as the kernel made it.
    (void)::lsetxattr(made.c_str(), kSelinuxLabel, label.data(),
                      static_cast<std::size_t>(size), 0);
  }
  return {};
}

/// The block device that has this file system.
Result<host::BlockDevice> device_of(const host::HostRoot& host,
                                    const std::string& uuid) {
  TRY(const host::StorageView view, host::read_storage(host));
  for (const host::BlockDevice& device : view.devices) {
    const auto fd = host.open(device.path, O_RDONLY);
    if (!fd) continue;
    const auto block = host::read_superblock(fd->get());
    if (block && block->uuid == uuid) return device;
  }
  return Error(ErrorCode::kNotFound,
               fmt::format("no disk has the file system {}", uuid));
}

/// Who mounted it elsewhere may have put something there.
Result<void> check_unmounted(const host::HostRoot& host,
                             const host::BlockDevice& device) {
  TRY(const std::vector<host::Mount> mounts, host::read_mount_table(host));
  for (const host::Mount& mount : mounts) {
    if (mount.device != device.number) continue;
    return Error(ErrorCode::kAlreadyExists,
                 fmt::format("{} is mounted at {}; look at what is there, and "
                             "unmount it",
                             device.path, mount.mount_point));
  }
  return {};
}

std::string stage_path(const host::HostRoot& host, const std::string& uuid) {
  return host.outside("/run/gpunode-stage-" + uuid);
}

/// Unmounts what a killed run left mounted. Not lazily: its copy outlives it,
/// and what runs there keeps it busy.
Result<void> leave_stage(const std::string& path) {
  if (::umount2(path.c_str(), UMOUNT_NOFOLLOW) != 0 && errno != EINVAL &&
      errno != ENOENT) {
    if (errno != EBUSY) return Error::from_errno("unmount " + path, errno);
    return Error(
        ErrorCode::kUnavailable,
        fmt::format("what a run started that was killed is still at work in "
                    "{0}: wait until it ends, or see with `fuser -vm {0}` what "
                    "it is, and end it",
                    path));
  }
  (void)::rmdir(path.c_str());
  return {};
}

/// The users are stopped; what they left behind may run and write.
Result<void> check_unused(const host::HostRoot& host, const std::string& path) {
  TRY(const std::vector<host::Mount> mounts, host::read_mount_table(host));
  // The table has the paths of this process, whatever the root.
  const std::string use = use_of_tree(mounts, host.outside(path));
  if (use.empty()) return {};
  return Error(ErrorCode::kAlreadyExists,
               fmt::format("{}; {}", use, kStopContainers));
}

/// A file system mounted where nobody looks, for as long as this lives.
class Stage {
 public:
  static Result<Stage> mount(const host::HostRoot& host,
                             const std::string& uuid, const std::string& type) {
    const std::string path = stage_path(host, uuid);
    TRY(const host::BlockDevice device, ready(host, uuid, path));
    if (::mount(host.outside(device.path).c_str(), path.c_str(), type.c_str(),
                MS_NOATIME | MS_NODEV | MS_NOSUID | MS_NOEXEC, nullptr) != 0) {
      return Error::from_errno(fmt::format("mount {}", device.path), errno);
    }
    return Stage(path);
  }

  /// With options in mount(8)'s words, as the mount will have them.
  static Result<Stage> mount_with(const host::HostRoot& host,
                                  host::CommandRunner& runner,
                                  const ProveMount& action) {
    const std::string path = stage_path(host, action.uuid);
    TRY(const host::BlockDevice device, ready(host, action.uuid, path));
    host::Command command;
    command.argv = {"/bin/mount", "-t", action.type};
    if (!action.options.empty()) {
      command.argv.emplace_back("-o");
      command.argv.push_back(fmt::format("{}", fmt::join(action.options, ",")));
    }
    command.argv.insert(command.argv.end(),
                        {"--", host.outside(device.path), path});
    if (auto mounted = runner.output(command); !mounted) {
      (void)leave_stage(path);
      return std::move(mounted).error();
    }
    return Stage(path);
  }

  Stage(Stage&& other) noexcept : path_(std::exchange(other.path_, "")) {}
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;
  Stage& operator=(Stage&&) = delete;
  ~Stage() {
    // Where a program that would not even die is still at work it stays, so
    // that the next run sees it.
    if (!path_.empty()) (void)leave_stage(path_);
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
  /// The device, and an empty directory at `path` to mount it at.
  static Result<host::BlockDevice> ready(const host::HostRoot& host,
                                         const std::string& uuid,
                                         const std::string& path) {
    TRY_VOID(leave_stage(path));
    TRY(host::BlockDevice device, device_of(host, uuid));
    TRY_VOID(check_unmounted(host, device));
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
      return Error::from_errno("make " + path, errno);
    }
    return device;
  }

  explicit Stage(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

/// 0 if it cannot be told.
std::uint64_t used_bytes(const std::string& path) {
  struct statvfs space {};
  if (::statvfs(path.c_str(), &space) != 0) return 0;
  return (space.f_blocks - space.f_bfree) * space.f_frsize;
}

Result<void> check_room(const std::string& from, const TreeCount& count,
                        const std::string& to) {
  struct statvfs space {};
  if (::statvfs(to.c_str(), &space) != 0) {
    return Error::from_errno("look at the room on " + to, errno);
  }
  const std::uint64_t free = space.f_bavail * space.f_frsize;
  if (free <= count.disk_bytes) {
    return Error(ErrorCode::kUnavailable,
                 fmt::format("{} has {} MiB and the new disk room for {}: use "
                             "a larger disk, or existingData: discard",
                             from, count.disk_bytes >> 20U, free >> 20U));
  }
  // Layers of images have more names than bytes; 0 files: without a limit.
  const std::uint64_t files = count.entries - count.linked;
  if (space.f_files == 0 || space.f_favail > files) return {};
  return Error(ErrorCode::kUnavailable,
               fmt::format("{} has {} files and the new disk inodes for {}: "
                           "use a larger disk or xfs, or existingData: discard",
                           from, files, space.f_favail));
}

/// What cp said, in words, where it is that the disk filled up: by something
/// that grew or came since there was room.
Error why_not_copied(const MigrateTree& action, const std::string& stage,
                     std::uint64_t total, Error error) {
  // As strerror(3) has it in the C locale, which programs are run in.
  if (error.message().find("No space left on device") == std::string::npos) {
    return std::move(error).with_context(
        fmt::format("copy {} to its new disk", action.path));
  }
  return {
      ErrorCode::kUnavailable,
      fmt::format(
          "copy {0} to its new disk: it is full, with {1} MiB on it by now; "
          "{2} MiB were to be copied. {0} is as it was. Stop what writes "
          "there, or use a larger disk; then `gpunode apply` copies anew "
          "({3})",
          action.path, used_bytes(stage) >> 20U, total >> 20U,
          error.message())};
}

Error why_not_same(const MigrateTree& action, const TreeCount& copied,
                   const TreeCount& wanted) {
  if (copied.entries == wanted.entries &&
      copied.content_bytes == wanted.content_bytes) {
    return {ErrorCode::kInternal,
            fmt::format("the copy of {} is not the same: names, owners, modes, "
                        "links or extended attributes differ; either "
                        "something still writes there, or the new file system "
                        "({}) cannot keep what the old one has",
                        action.path, action.type)};
  }
  return {ErrorCode::kInternal,
          fmt::format("the copy of {} is not the same: {} entries and {} bytes "
                      "instead of {} and {}; something still writes there",
                      action.path, copied.entries, copied.content_bytes,
                      wanted.entries, wanted.content_bytes)};
}

}  // namespace

std::string unfinished_path(const std::string& path) {
  return fmt::format("{}/copying-{}", kStateDirectory,
                     unit_name(path, "mount"));
}

std::string moving_path(const std::string& path) {
  return fmt::format("{}/moving-{}", kStateDirectory, unit_name(path, "mount"));
}

Result<Inverse> TreeActions::prepare(const MigrateTree& action) {
  return Inverse::of(
      RestoreTree{action.path, action.aside, action.uuid, action.type});
}

Result<Inverse> TreeActions::prepare(const ProveMount& /*action*/) {
  return Inverse{};
}

Result<void> TreeActions::perform(const ProveMount& action) const {
  // With SELinux mount(8) has a domain of its own, which may not mount where
  // this program may: there the options are told by the mount itself.
  if (host_.exists("/sys/fs/selinux/enforce")) return {};
  const auto stage = Stage::mount_with(host_, runner_, action);
  if (stage) return {};
  return Error(stage.error())
      .with_context(fmt::format(
          "mount {} {} with the options {}: nothing was stopped and nothing "
          "moved; see spec.storage[].filesystem.options",
          action.type, action.uuid, fmt::join(action.options, ",")));
}

Result<void> TreeActions::run(std::vector<std::string> argv,
                              const std::string& stage) const {
  host::Command command;
  command.argv = std::move(argv);
  command.timeout = kCopyTimeout;
  // It keeps the stage busy for as long as it lives, if we do not.
  command.directory = stage;
  TRY_VOID(runner_.output(command));
  return {};
}

Result<void> TreeActions::copy_watched(const MigrateTree& action,
                                       const std::string& stage,
                                       std::uint64_t total) const {
  const std::uint64_t before = used_bytes(stage);
  if (watch_ != nullptr) {
    // Asking the file system costs nothing, however many files there are.
    watch_->copy_started(total, [stage, before] {
      return used_bytes(stage) - std::min(before, used_bytes(stage));
    });
  }
  // Named one by one, each must be kept or cp fails; "-a" is silent about
  // attributes that are lost. Without SELinux cp refuses "context".
  std::string preserved = "--preserve=mode,ownership,timestamps,links,xattr";
  if (host_.exists("/sys/fs/selinux/enforce")) preserved += ",context";
  const std::string from = host_.outside(action.path);
  auto copied = run({"/bin/cp", "-dR", preserved, "--sparse=auto",
                     "--one-file-system", "--", from + "/.", stage},
                    stage);
  if (copied) copied = copy_link_attributes(from, stage);
  if (watch_ != nullptr) watch_->copy_ended();
  if (copied) return {};
  return why_not_copied(action, stage, total, std::move(copied).error());
}

bool TreeActions::was_cut_off(const std::string& path,
                              const std::string& uuid) const {
  const auto mark = host_.read_file(unfinished_path(path));
  return mark && *mark == uuid + "\n";
}

Result<void> TreeActions::mark_unfinished(const std::string& path,
                                          const std::string& uuid) const {
  return host::replace_host_file(
      host_, unfinished_path(path), uuid + "\n",
      {.mode = 0600, .durability = host::Durability::kDurable});
}

Result<void> TreeActions::empty(const std::string& stage) const {
  return run({"/usr/bin/find", stage, "-xdev", "-mindepth", "1", "-not",
              "-path", stage + "/lost+found", "-delete"},
             stage);
}

Result<void> TreeActions::copy(const MigrateTree& action,
                               const std::string& stage) const {
  const std::string from = host_.outside(action.path);
  const bool is_half = was_cut_off(action.path, action.uuid);
  TRY(const TreeCount there, count_tree(stage, kTheTree));
  TRY(const TreeCount wanted, count_tree(from, kTheTree));
  if (there.entries != 0 && !is_half) {
    // Ended after the copy was called whole and before the rename.
    if (there.is_copy_of(wanted)) return {};
    return Error(ErrorCode::kAlreadyExists,
                 fmt::format("the new disk of {} has {} entries that gpunode "
                             "did not put there; look at it first",
                             action.path, there.entries));
  }
  if (is_half) TRY_VOID(empty(stage));
  TRY_VOID(check_room(action.path, wanted, stage));
  // From here on what is there is ours to empty, and not before.
  TRY_VOID(mark_unfinished(action.path, action.uuid));
  TRY_VOID(copy_watched(action, stage, wanted.disk_bytes));
  TRY(const TreeCount copied, count_tree(stage, kTheTree));
  if (copied.is_copy_of(wanted)) return {};
  return why_not_same(action, copied, wanted);
}

Result<void> TreeActions::allow_mount(const MigrateTree& action) const {
  TRY(const host::RootDirectory root, host::open_host(host_));
  // The copy's own mark last: cut off between the two it is made anew.
  for (const std::string& mark :
       {moving_path(action.path), unfinished_path(action.path)}) {
    if (!host_.exists(mark)) continue;
    TRY_VOID(root.remove_file(mark, host::Durability::kDurable));
  }
  return {};
}

Result<void> TreeActions::set_aside(const MigrateTree& action) const {
  if (auto renamed = rename_tree(host_, action.path, action.aside); !renamed) {
    // It stays in use where it is, so that the copy grows old.
    if (!action.discard) TRY_VOID(mark_unfinished(action.path, action.uuid));
    return renamed;
  }
  return make_like(host_, action.path, action.aside);
}

Result<bool> TreeActions::has_entries(const std::string& path) const {
  const auto status = host_.status(path);
  if (!status && status.error().code() == ErrorCode::kNotFound) return false;
  if (!status) return Error(status.error());
  // A link would be renamed, and what it leads to mounted over.
  if (status->kind != host::FileKind::kDirectory) {
    return Error(ErrorCode::kAlreadyExists,
                 fmt::format("{} is no directory; move it away", path));
  }
  TRY(const auto names, host_.list_directory(path));
  return !names.empty();
}

Result<void> TreeActions::drop_half_copy(const std::string& path,
                                         const std::string& uuid,
                                         const std::string& type,
                                         bool is_all_there_is) const {
  if (!was_cut_off(path, uuid)) return {};
  TRY(Stage stage, Stage::mount(host_, uuid, type));
  TRY(const TreeCount there, count_tree(stage.path(), kTheTree));
  if (there.entries != 0 && is_all_there_is) {
    return Error(
        ErrorCode::kAlreadyExists,
        fmt::format("the disk has half a copy of {0}, of {1} entries, and {0} "
                    "is empty by now: nothing else is left of it. Look at the "
                    "disk; if it is not needed, empty it and remove {2}",
                    path, there.entries, unfinished_path(path)));
  }
  TRY_VOID(empty(stage.path()));
  return stage.sync();
}

Result<void> TreeActions::perform(const MigrateTree& action) {
  TRY(const bool has_data, has_entries(action.path));
  const bool has_aside = host_.exists(action.aside);
  if (has_data && has_aside) {
    return Error(ErrorCode::kAlreadyExists,
                 fmt::format("{} is from an earlier migration, and {} has "
                             "entries again; move one of them away first",
                             action.aside, action.path));
  }
  if (has_data) TRY_VOID(check_unused(host_, action.path));
  if (has_data && !action.discard) {
    TRY(Stage stage, Stage::mount(host_, action.uuid, action.type));
    TRY_VOID(copy(action, stage.path()));
    TRY_VOID(stage.sync());
    copied_.insert(action.uuid);
  } else {
    TRY_VOID(drop_half_copy(action.path, action.uuid, action.type,
                            !has_data && !has_aside));
  }
  // Whole from here on, or empty: a boot may mount it.
  TRY_VOID(allow_mount(action));
  if (has_data) return set_aside(action);
  // Set aside already; the directory for the mount may be missing.
  if (!has_aside || host_.exists(action.path)) return {};
  return make_like(host_, action.path, action.aside);
}

Result<void> TreeActions::forget_half_copy(const RestoreTree& action) const {
  if (action.uuid.empty()) return {};
  TRY_VOID(leave_stage(stage_path(host_, action.uuid)));
  if (!was_cut_off(action.path, action.uuid)) return {};
  TRY(const bool has_data, has_entries(action.path));
  const auto dropped = drop_half_copy(action.path, action.uuid, action.type,
                                      !has_data && !host_.exists(action.aside));
  // With its disk it is gone as well.
  if (!dropped && dropped.error().code() != ErrorCode::kNotFound) {
    return dropped;
  }
  // The other mark is a file that a Step wrote, and has its own inverse.
  return host::remove_host_file(host_, unfinished_path(action.path));
}

Result<void> TreeActions::perform(const RestoreTree& action) {
  TRY_VOID(forget_half_copy(action));
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
  TRY_VOID(rename_tree(host_, action.aside, action.path));
  // Not before: cut off in between, a boot mounts a copy that is still whole.
  if (copied_.erase(action.uuid) == 0) return {};
  return mark_unfinished(action.path, action.uuid);
}

}  // namespace gpunode::provision
