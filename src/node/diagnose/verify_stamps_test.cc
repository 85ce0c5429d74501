#include "node/diagnose/verify_stamps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::diagnose {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

VerifyCheck check(int level, Verdict verdict) {
  return {level, "a.check", verdict, "seen"};
}

constexpr const char* kHostDriver =
    "IS_HOST_DRIVER=true\nNVIDIA_DRIVER_ROOT=/\nDRIVER_ROOT_CTR_PATH=/host\n"
    "NVIDIA_DEV_ROOT=/\nDEV_ROOT_CTR_PATH=/host\n";

TEST(VerifyStamps, EachLevelEarnsItsOwn) {
  EXPECT_THAT(stamps_of({check(0, Verdict::kPass), check(1, Verdict::kPass),
                         check(2, Verdict::kPass), check(2, Verdict::kWarn),
                         check(3, Verdict::kPass), check(4, Verdict::kPass),
                         check(5, Verdict::kPass)},
                        "/"),
              ElementsAre(Stamp{"driver-ready", true, kHostDriver},
                          Stamp{"cuda-ready", true, ""},
                          Stamp{"toolkit-ready", true, ""},
                          Stamp{"plugin-ready", true, ""}));
}

TEST(VerifyStamps, OneThatFailedTakesItsStampAway) {
  EXPECT_THAT(stamps_of({check(0, Verdict::kPass), check(1, Verdict::kPass),
                         check(2, Verdict::kPass), check(2, Verdict::kFail),
                         check(3, Verdict::kSkip)},
                        "/"),
              ElementsAre(Stamp{"driver-ready", false, ""}));
}

TEST(VerifyStamps, WithoutAGpuNoDriverIsReady) {
  EXPECT_THAT(stamps_of({check(0, Verdict::kFail), check(1, Verdict::kPass),
                         check(2, Verdict::kSkip)},
                        "/"),
              ElementsAre(Stamp{"driver-ready", false, ""}));
}

TEST(VerifyStamps, OfWhatWasNotAskedNothingIsSaid) {
  EXPECT_THAT(
      stamps_of({check(0, Verdict::kPass), check(1, Verdict::kPass)}, "/"),
      IsEmpty());
}

TEST(VerifyStamps, ADriverInAContainerIsWhereItIs) {
  const auto stamps =
      stamps_of({check(0, Verdict::kPass), check(1, Verdict::kPass),
                 check(2, Verdict::kPass)},
                "/run/nvidia/driver");
  ASSERT_EQ(stamps.size(), 1U);
  EXPECT_EQ(stamps.front().content,
            "IS_HOST_DRIVER=false\nNVIDIA_DRIVER_ROOT=/run/nvidia/driver\n"
            "DRIVER_ROOT_CTR_PATH=/run/nvidia/driver\nNVIDIA_DEV_ROOT=/\n"
            "DEV_ROOT_CTR_PATH=/host\n");
}

}  // namespace
}  // namespace gpunode::diagnose
