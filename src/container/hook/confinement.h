// What a hook gives up before it touches anything of a container.
#pragma once

#include "base/core/result.h"

namespace gpunode::hook {

/// Leaves the process with nothing that the runtime, and through it the
/// image, may have given it: no environment (CVE-2025-23266), "/" as its
/// directory, no descriptor above 2, umask 022, no way to gain privileges, and
/// of its capabilities only those that work on a root needs (CAP_DAC_OVERRIDE,
/// CAP_FOWNER, CAP_SYS_ADMIN). After kMaxSeconds it ends itself with one line
/// on standard error and exit code 1. To be called once, first, by a process
/// with one thread.
Result<void> confine_process();
inline constexpr unsigned kMaxSeconds = 60;

/// Gives up CAP_SYS_ADMIN too: nothing is to be mounted any more.
Result<void> give_up_mounting();

}  // namespace gpunode::hook
