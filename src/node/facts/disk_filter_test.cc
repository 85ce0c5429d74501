#include "node/facts/disk_filter.h"

#include <gtest/gtest.h>

namespace gpunode::facts {
namespace {

host::BlockDevice device(host::BlockSubsystem subsystem,
                         const std::string& path) {
  host::BlockDevice device;
  device.subsystem = subsystem;
  device.path = path;
  device.model = "nvme_card1";
  device.serial = "S1";
  device.size_bytes = 1U << 30U;
  return device;
}

TEST(DiskFilter, APathIsOfALoopDeviceAndOfNothingElse) {
  DiskFilter filter;
  filter.path = "/dev/loop3";
  EXPECT_TRUE(filter.fits(device(host::BlockSubsystem::kLoop, "/dev/loop3")));
  EXPECT_FALSE(filter.fits(device(host::BlockSubsystem::kLoop, "/dev/loop4")));
  EXPECT_FALSE(filter.fits(device(host::BlockSubsystem::kNvme, "/dev/loop3")));
  host::BlockDevice empty = device(host::BlockSubsystem::kLoop, "/dev/loop3");
  empty.size_bytes = 0;
  EXPECT_FALSE(filter.fits(empty));
  filter.path = "/dev/nvme1n1";
  EXPECT_FALSE(filter.fits(device(host::BlockSubsystem::kNvme, filter.path)));
}

TEST(DiskFilter, WithoutAPathNoLoopDeviceFits) {
  DiskFilter filter;
  filter.model = "nvme_card1";
  EXPECT_TRUE(filter.fits(device(host::BlockSubsystem::kNvme, "/dev/nvme0n1")));
  EXPECT_FALSE(filter.fits(device(host::BlockSubsystem::kLoop, "/dev/loop3")));
}

}  // namespace
}  // namespace gpunode::facts
