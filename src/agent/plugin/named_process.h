// A process by the word that it was called by.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/core/result.h"
#include "base/host/host_root.h"

namespace gpunode::plugin {

/// The one of the lowest number whose argv[0] is `name` to the letter, in
/// /proc of `root`. One that vanishes while it is looked at, or shows no
/// command line, is passed over. kNotFound, "no process found", with what to
/// do.
Result<pid_t> find_process(const host::HostRoot& root, const std::string& name);

}  // namespace gpunode::plugin
