// The directory in which the kubelet and its device plugins meet.
#pragma once

#include <string>

#include "base/core/result.h"
#include "base/host/directory_watch.h"

namespace gpunode::plugin {

/// Of the registration socket; where NVIDIA's plugin puts its sockets if there
/// is to be no registration.
std::string plugin_directory_of(const std::string& kubelet_socket);

/// Fails in NVIDIA's words, with what to look at.
Result<host::DirectoryWatch> watch_plugin_directory(
    const std::string& directory);

}  // namespace gpunode::plugin
