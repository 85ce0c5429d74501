// Points in time as the API writes them: RFC 3339.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/core/result.h"

namespace gpunode::kube {

using WallTime = std::chrono::system_clock::time_point;

/// "2026-11-25T15:04:05.000123Z": Kubernetes' MicroTime.
std::string micro_time(WallTime time);

/// Reads "2026-11-25T15:04:05Z", with a fraction or an offset perhaps; whole
/// seconds count. Days before 1970 or after 2200 become those. kCorrupt for
/// what is none.
Result<WallTime> parse_time(std::string_view text);

}  // namespace gpunode::kube
