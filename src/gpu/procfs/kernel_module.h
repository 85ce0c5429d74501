// The NVIDIA kernel module's own word on which driver it is.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/core/result.h"
#include "base/host/host_root.h"

namespace gpunode::procfs {

/// What /proc/driver/nvidia/version says.
struct KernelModule {
  std::string version;   ///< "545.23.08"
  bool is_open = false;  ///< The open kernel modules.
};

/// Nothing if no version can be found in `text`.
std::optional<KernelModule> parse_kernel_module(std::string_view text);

/// kNotFound if no NVIDIA module is loaded, kCorrupt if its file says
/// something else than a version.
Result<KernelModule> load_kernel_module(const host::HostRoot& host);

}  // namespace gpunode::procfs
