// Who asked for GPUs that nobody had granted: the log of ungranted_log.h, read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/host/host_root.h"

namespace gpunode::oci {

/// One container of one image, however often it was started.
struct UngrantedContainer {
  std::string
      pod_namespace;  ///< Empty, as the next two: the engine was silent.
  std::string pod;
  std::string container;
  std::string image;
  std::string asked;  ///< "all", "none" or names with commas; the last time.
  std::string why;    ///< The last time.
  std::string last_time;  ///< RFC 3339, UTC.
  std::uint64_t times = 0;

  bool operator==(const UngrantedContainer&) const = default;
};

/// Where the runtime keeps its log.
inline constexpr const char* kUngrantedDirectory = "/run/gpunode";

/// Adds the lines of `log` to `report`, which stays sorted by namespace, Pod
/// and container. A line that does not parse is skipped: the log is cut when it
/// grows, and what is in it comes from containers.
void add_ungranted(std::string_view log,
                   std::vector<UngrantedContainer>& report);

/// The log in `directory` and the older one beside it. Neither being there is
/// an empty report: nobody asked.
Result<std::vector<UngrantedContainer>> read_ungranted(
    const host::HostRoot& host, const std::string& directory);

}  // namespace gpunode::oci
