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

}  // namespace
}  // namespace gpunode
