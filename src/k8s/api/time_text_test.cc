#include "k8s/api/time_text.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace gpunode::kube {
namespace {

WallTime at(long long seconds) {
  return WallTime(std::chrono::seconds(seconds));
}

TEST(TimeText, IsRfc3339) {
  EXPECT_EQ(micro_time(at(0) + std::chrono::microseconds(1)),
            "1970-01-01T00:00:00.000001Z");
  const std::pair<const char*, long long> cases[] = {
      {"1970-01-01T00:00:00Z", 0},
      {"2026-11-25T15:04:05Z", 1795619045},
      {"2026-11-25T15:04:05.999999Z", 1795619045},
      {"2026-11-25T16:04:05+01:00", 1795619045},
      {"2026-11-25t07:34:05.5-07:30", 1795619045},
      {"2028-02-29T00:00:00Z", 1835395200},
      {"9999-12-31T00:00:00Z", 7258118400},  // Clamped.
      {"0000-01-01T00:00:00Z", 0},
  };
  for (const auto& [text, seconds] : cases) {
    const auto time = parse_time(text);
    ASSERT_TRUE(time) << text;
    EXPECT_EQ(*time, at(seconds)) << text;
  }
}

TEST(TimeText, WhatIsNoneIsRefused) {
  for (const char* text :
       {"", "now", "2026-11-25", "2026-11-25T15:04:05", "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z", "2026-11-25T24:00:00Z", "2026-11-25T15:04:05Zx",
        "2026-11-25T15:04:05.Z", "-026-11-25T15:04:05Z",
        "2026-11-25T15:04:05+1:00"}) {
    EXPECT_FALSE(parse_time(text)) << text;
  }
}

TEST(TimeText, ComesBack) {
  EXPECT_TRUE(rc::check([](unsigned seconds) {
    RC_ASSERT(*parse_time(micro_time(at(seconds))) == at(seconds));
  }));
}

}  // namespace
}  // namespace gpunode::kube
