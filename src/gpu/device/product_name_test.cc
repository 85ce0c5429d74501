#include "gpu/device/product_name.h"

#include <gtest/gtest.h>

namespace gpunode::device {
namespace {

TEST(ProductName, IsTheDriversForAnIdOfTheTable) {
  EXPECT_EQ(product_name_of(0x2237), "NVIDIA A10G");
  EXPECT_EQ(product_name_of(0x1eb8), "Tesla T4");
  EXPECT_EQ(product_name_of(0x20b0), "NVIDIA A100-SXM4-40GB");
  EXPECT_EQ(product_name_of(0x1023), "Tesla K40m");
  EXPECT_EQ(product_name_of(0x31c2), "NVIDIA GB300");
}

TEST(ProductName, NamesBothWhereOneIdIsOfTwo) {
  EXPECT_EQ(product_name_of(0x25b6), "NVIDIA A16 or A2");
}

TEST(ProductName, IsTheIdOfWhatIsNewerThanTheTable) {
  EXPECT_EQ(product_name_of(0xffff), "NVIDIA 10de:ffff");
  EXPECT_EQ(product_name_of(0x0001), "NVIDIA 10de:0001");
}

}  // namespace
}  // namespace gpunode::device
