// Moving what is in a directory to another file system.
#pragma once

#include <functional>
#include <string>

#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "base/host/host_root.h"
#include "node/provision/action.h"
#include "node/provision/inverse.h"

namespace gpunode::provision {

/// While this is there, the copy on that file system is not whole. A mount unit
/// looks at it, so that a boot after a power cut does not mount half a copy.
std::string unfinished_path(const std::string& uuid);

/// Copies with everything that a container's layers are made of (owners, modes,
/// times, extended attributes, hard links, holes, whiteout devices), and sets
/// the old tree aside only when the copy is whole and on the disk. Cut off
/// anywhere, it begins again.
class TreeActions {
 public:
  TreeActions(const host::HostRoot& host, host::CommandRunner& runner)
      : host_(host), runner_(runner) {}

  static Result<Inverse> prepare(const MigrateTree& action);

  Result<void> perform(const MigrateTree& action) const;
  Result<void> perform(const RestoreTree& action) const;

 private:
  Result<void> copy(const MigrateTree& action, const std::string& stage) const;
  Result<void> set_aside(const MigrateTree& action) const;
  Result<void> run(std::vector<std::string> argv) const;

  host::HostRoot host_;
  host::CommandRunner& runner_;
};

}  // namespace gpunode::provision
