// Telling NVIDIA's EGL which GPUs a container has.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/host/root_directory.h"

namespace gpunode::hook {

/// A profile for every program: only GPUs whose minor is set in `minors` are
/// seen through EGL (the driver's setting EGLVisibleDGPUDevices).
std::string application_profile(std::uint64_t minors);

/// The minors 0 to 63 of the character devices nvidia<N> in the root's /dev.
/// That they are NVIDIA's is not checked; no access follows from it.
Result<std::uint64_t> gpu_minors(const host::RootDirectory& root);

/// Writes the profile to /etc/nvidia/nvidia-application-profiles-rc.d/
/// 10-container.conf.
Result<host::Change> write_application_profile(const host::RootDirectory& root);

}  // namespace gpunode::hook
