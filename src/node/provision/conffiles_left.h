// What dpkg keeps of packages that a rollback removed.
#pragma once

#include <string>
#include <vector>

#include "base/host/host_root.h"
#include "node/provision/rollback.h"

namespace gpunode::provision {

struct LeftConffiles {
  std::string package;
  std::vector<std::string> files;  ///< Those that are there.
};

/// Configuration files of packages that `plan` removed, which dpkg keeps, as of
/// any package that is removed and not purged. Not purged by gpunode, since a
/// package's scripts may delete what is somebody's data by then (containerd's
/// images) and nobody can tell. Empty where there is no dpkg.
std::vector<LeftConffiles> conffiles_left(const host::HostRoot& host,
                                          const std::vector<Undoing>& plan);

}  // namespace gpunode::provision
