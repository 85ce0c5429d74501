// Containers that asked for GPUs which nobody had granted them, for `gpunode
// doctor` and the agent's metrics (docs/formats/ungranted.md).
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "base/core/result.h"
#include "container/oci/device_list.h"
#include "container/oci/pod_identity.h"

namespace gpunode::oci {

struct Ungranted {
  PodIdentity who;
  DeviceList asked;
  std::string why;  ///< One line.
};

/// One line of JSON, newline included.
std::string ungranted_line(const Ungranted& event,
                           std::chrono::system_clock::time_point when);

/// A file larger than this becomes `<name>.1`, in the place of an older one.
inline constexpr std::size_t kUngrantedLimitBytes = std::size_t{256} << 10U;

/// Appends `line` to `directory`/ungranted.ndjson; the directory is made.
/// Processes may do so at once: a line is one write.
Result<void> append_ungranted(const std::string& directory,
                              const std::string& line);

/// "all", "none" or the names with commas; cut when long.
std::string shown(const DeviceList& list);

}  // namespace gpunode::oci
