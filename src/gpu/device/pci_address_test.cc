#include "gpu/device/pci_address.h"

#include <gtest/gtest.h>

namespace gpunode::device {
namespace {

TEST(SysfsBusId, HasFourDigitsOfDomainOrWhatItTakes) {
  EXPECT_EQ(sysfs_bus_id("00000000:00:1E.0"), "0000:00:1e.0");
  EXPECT_EQ(sysfs_bus_id("0000000A:C1:00.0"), "000a:c1:00.0");
  EXPECT_EQ(sysfs_bus_id("00010000:C1:00.0"), "10000:c1:00.0");
}

TEST(SysfsBusId, OfSomethingElseIsNoWorse) {
  EXPECT_EQ(sysfs_bus_id(""), "");
  EXPECT_EQ(sysfs_bus_id("00000000"), "0000");
}

}  // namespace
}  // namespace gpunode::device
