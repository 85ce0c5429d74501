#include "base/core/rfc3339.h"

#include <gtest/gtest.h>

namespace gpunode {
namespace {

TEST(Rfc3339, IsUtcInWholeSeconds) {
  using std::chrono::milliseconds;
  using std::chrono::system_clock;
  EXPECT_EQ(rfc3339(system_clock::from_time_t(0)), "1970-01-01T00:00:00Z");
  EXPECT_EQ(rfc3339(system_clock::from_time_t(1772150461) + milliseconds(999)),
            "2026-02-27T00:01:01Z");
}

TEST(Rfc3339, WholeSecondsOfAnyYear) {
  using std::chrono::seconds;
  using std::chrono::sys_seconds;
  // The end of certificates that have none (RFC 5280, 4.1.2.5).
  EXPECT_EQ(rfc3339(sys_seconds(seconds(253402300799))),
            "9999-12-31T23:59:59Z");
  EXPECT_EQ(rfc3339(sys_seconds(seconds(-1))), "1969-12-31T23:59:59Z");
}

}  // namespace
}  // namespace gpunode
