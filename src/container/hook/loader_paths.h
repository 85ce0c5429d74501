// Making a container's dynamic loader find the driver's libraries.
//
// For glibc that is /etc/ld.so.cache, which we write ourselves: neither the
// image's ldconfig nor the host's is run, and no namespace is needed. For musl
// it is /etc/ld-musl-<arch>.path. A root without a loader needs nothing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/host/root_directory.h"

namespace gpunode::hook {

/// What the loader must find. Passive data.
struct LoaderPaths {
  /// Directories in the container that hold the driver's libraries. They come
  /// before the image's own, unless the image searches them anyway.
  std::vector<std::string> folders = {};
  /// CUDA's compatibility libraries, before everything else.
  std::optional<std::string> compat_folder = {};
  /// Links made for this container; what they lead to is not judged again.
  std::vector<std::string> links = {};
};

/// glibc's loader is in the root.
bool has_glibc_loader(const host::RootDirectory& root);

/// Writes down, for a later run of ldconfig in the container and for
/// update_loader_paths, that `folder` comes first; nothing takes it back.
Result<host::Change> remember_compat_folder(
    const host::RootDirectory& root, const std::optional<std::string>& folder);

/// What remember_compat_folder left in the root, if it is still there.
std::optional<std::string> remembered_compat_folder(
    const host::RootDirectory& root);

/// Brings the loader's files up to date: sonames linked in `folders` where
/// missing, the folders written to /etc/ld.so.conf.d for a later ldconfig, and
/// the cache. Where the root cannot be written to, the cache is mounted over
/// the image's. The same inputs a second time change nothing. What could not
/// be done but is not needed for the container to start is in the warnings
/// returned.
Result<std::vector<std::string>> update_loader_paths(
    const host::RootDirectory& root, const LoaderPaths& paths);

}  // namespace gpunode::hook
