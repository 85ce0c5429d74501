// Everything a container needs done inside its root, in one go.
#pragma once

#include <string>
#include <vector>

#include "base/host/host_root.h"
#include "base/host/root_directory.h"
#include "container/hook/cuda_compat.h"
#include "container/hook/links.h"

namespace gpunode::hook {

/// What is to be done. Passive data; what is empty or false is left alone.
struct Task {
  std::vector<Link> links;
  std::vector<std::string> folders;  ///< Of the driver's libraries.
  /// Makes the loader find `folders` and CUDA's compatibility libraries: those
  /// chosen now, or by an earlier task.
  bool updates_loader = false;
  HostVersions host_versions;
  bool chooses_compat = false;
  std::string compat_directory = std::string(kDefaultCompatDirectory);
  bool forbids_device_nodes = false;
  bool writes_application_profile = false;
  std::vector<std::string> preloads;  ///< Libraries for ld.so.preload.
};

/// Does it, in this order: what must be mounted, links, compat, loader. Gives
/// up the right to mount as soon as nothing needs it, if `may_drop`: on a root
/// that can be written to that is before the image's libraries are read.
/// Returns warnings: what was not done, but does not keep the container from
/// starting. Doing it again changes nothing.
Result<std::vector<std::string>> apply(const Task& task,
                                       const host::HostRoot& host,
                                       const host::RootDirectory& root,
                                       bool may_drop);

}  // namespace gpunode::hook
