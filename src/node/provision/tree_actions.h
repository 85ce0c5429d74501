// Moving what is in a directory to another file system.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "base/host/host_root.h"
#include "node/provision/action.h"
#include "node/provision/inverse.h"
#include "node/provision/work_watch.h"

namespace gpunode::provision {

/// While this is there, the copy of what is at `path` is not whole; its content
/// is the UUID of the file system that it is on. A mount unit looks at it, so
/// that a boot after a power cut does not mount half a copy.
std::string unfinished_path(const std::string& path);

/// While this is there, what is at `path` has not moved to its disk yet. It is
/// there before the mount is defined, so that a boot in between does not mount
/// the empty disk over the data.
std::string moving_path(const std::string& path);

/// Copies with everything that a container's layers are made of (owners, modes,
/// times, extended attributes, hard links, holes, whiteout devices), and sets
/// the old tree aside only when the copy is whole and on the disk. Cut off
/// anywhere, it begins again.
class TreeActions {
 public:
  /// `watch`, if there is one, is told of copies; all must outlive it.
  TreeActions(const host::HostRoot& host, host::CommandRunner& runner,
              WorkWatch* watch = nullptr)
      : host_(host), runner_(runner), watch_(watch) {}

  static Result<Inverse> prepare(const MigrateTree& action);
  static Result<Inverse> prepare(const ProveMount& action);

  /// kAlreadyExists if something is there that must not be lost or mixed in: an
  /// older tree set aside, entries on the disk that are no copy of ours, half a
  /// copy of what is gone, containers that run.
  Result<void> perform(const MigrateTree& action);
  /// Fails with what mount(8) says of the options; nothing is tried on a host
  /// with SELinux.
  Result<void> perform(const ProveMount& action) const;
  /// Half a copy is taken off its disk again; a whole one stays. One that this
  /// object made is nobody's work yet, and grows old as what was there is used
  /// again: it is marked as half a copy, which the next migration makes anew.
  Result<void> perform(const RestoreTree& action);

 private:
  Result<void> copy(const MigrateTree& action, const std::string& stage) const;
  /// The disk holds half a copy that a run before this one made.
  bool was_cut_off(const std::string& path, const std::string& uuid) const;
  Result<void> mark_unfinished(const std::string& path,
                               const std::string& uuid) const;
  /// Half a copy is taken off the disk, if there is one; kAlreadyExists if
  /// nothing else is left of the data.
  Result<void> drop_half_copy(const std::string& path, const std::string& uuid,
                              const std::string& type,
                              bool is_all_there_is) const;
  /// The same, and what says that it is there.
  Result<void> forget_half_copy(const RestoreTree& action) const;
  Result<bool> has_entries(const std::string& path) const;
  Result<void> empty(const std::string& stage) const;
  /// What keeps a boot from mounting goes: the copy is whole, or not wanted.
  Result<void> allow_mount(const MigrateTree& action) const;
  Result<void> set_aside(const MigrateTree& action) const;
  Result<void> run(std::vector<std::string> argv,
                   const std::string& stage) const;
  Result<void> copy_watched(const MigrateTree& action, const std::string& stage,
                            std::uint64_t total) const;

  host::HostRoot host_;
  host::CommandRunner& runner_;
  WorkWatch* watch_;
  /// UUIDs of the file systems that whole copies were made on.
  std::set<std::string> copied_;
};

}  // namespace gpunode::provision
