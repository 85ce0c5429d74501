#include "gpu/procfs/device_majors.h"

#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::procfs {
namespace {

TEST(DeviceMajors, AreThoseOfCharacterDevices) {
  const host::HostTree host{{"proc/devices",
                             "Character devices:\n  1 mem\n195 nvidia\n"
                             "510 nvidia-uvm\nx y\n99999999999 large\n7\n"
                             "\nBlock devices:\n  8 sd\n195 nvidia-caps\n"}};
  const auto majors = DeviceMajors::load(host.root());
  ASSERT_TRUE(majors) << majors.error().message();
  EXPECT_EQ(majors->of("mem"), 1U);
  EXPECT_EQ(majors->of("nvidia-uvm"), 510U);
  EXPECT_EQ(majors->of("nvidia"), 195U);
  EXPECT_EQ(majors->of("nvidiactl"), 195U);
  EXPECT_FALSE(majors->of("sd"));
  EXPECT_FALSE(majors->of("nvidia-caps"));
  EXPECT_FALSE(majors->of("large"));
}

TEST(DeviceMajors, OfOldDriversAreCalledFrontend) {
  const auto majors = DeviceMajors::parse("195 nvidia-frontend");
  EXPECT_EQ(majors.of("nvidia"), 195U);
  EXPECT_EQ(majors.of("nvidiactl"), 195U);
  EXPECT_FALSE(majors.of("nvidia-uvm"));
  EXPECT_FALSE(DeviceMajors::parse("").of("nvidia"));
}

TEST(DeviceMajors, CannotBeToldWithoutTheFile) {
  const host::HostTree host;
  EXPECT_EQ(DeviceMajors::load(host.root()).error().code(),
            ErrorCode::kNotFound);
}

}  // namespace
}  // namespace gpunode::procfs
