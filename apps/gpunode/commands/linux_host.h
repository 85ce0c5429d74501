// Whether there is a host at the root that was named.
#pragma once

#include "base/core/result.h"
#include "base/host/host_root.h"

namespace gpunode::cli {

/// kUnsupported, with the way out, if nothing at `host` says which Linux it is:
/// for verbs that take what is not there for nothing to do. Their exit code is
/// ExitCode::kUnsupportedHost.
Result<void> find_linux_host(const host::HostRoot& host);

}  // namespace gpunode::cli
