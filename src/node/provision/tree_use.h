// Whether containers use what is in a directory, by what is mounted.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/host/mount_table.h"

namespace gpunode::provision {

/// What of `mounts` is made of the content of the directory `path`: a mount
/// below it, an overlay with a layer below it, or a bind mount of something
/// below it. In words that name the mount; empty if nothing is. A runtime that
/// is stopped leaves its containers and their mounts, and those of containerd
/// are below /run. An overlay all of whose directories are relative may be
/// anywhere and counts. `path` must have no links. Pure.
std::string use_of_tree(const std::vector<host::Mount>& mounts,
                        std::string_view path);

/// What a person does about it.
inline constexpr std::string_view kStopContainers =
    "drain the node and stop its containers: `kubectl drain`, and `crictl "
    "stopp` for each that `crictl pods` still shows; then apply again";

}  // namespace gpunode::provision
