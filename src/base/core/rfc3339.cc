#include "base/core/rfc3339.h"

#include <ctime>

#include <fmt/format.h>

namespace gpunode {

std::string rfc3339(std::chrono::system_clock::time_point when) {
  return rfc3339(std::chrono::floor<std::chrono::seconds>(when));
}

std::string rfc3339(std::chrono::sys_seconds when) {
  const std::time_t seconds = when.time_since_epoch().count();
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min,
                     utc.tm_sec);
}

}  // namespace gpunode
