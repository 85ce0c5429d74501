#include "gpu/device/product_name.h"

#include <optional>

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

TEST(ProductName, OfAnUnknownIdIsNewerBehindTheTableAlone) {
  EXPECT_TRUE(is_newer_than_table(0xffff));
  EXPECT_FALSE(is_newer_than_table(0x31c2));  // Its last.
  EXPECT_FALSE(is_newer_than_table(0x2331 + 1));
  EXPECT_FALSE(is_newer_than_table(0x2237));
}

TEST(PciName, IsTheDatabasesForAnIdOfTheTable) {
  EXPECT_EQ(pci_name_of(0x1023), "GK110BGL [Tesla K40m]");
  EXPECT_EQ(pci_name_of(0x2237), "GA102GL [A10G]");
  EXPECT_EQ(pci_name_of(0x2330), "GH100 [H100 SXM5 80GB]");
  EXPECT_EQ(pci_name_of(0x2bb5),
            "GB202GL [RTX PRO 6000 Blackwell Server Edition]");
}

TEST(PciName, IsNoneForOthers) {
  EXPECT_EQ(pci_name_of(0x0000), std::nullopt);
  EXPECT_EQ(pci_name_of(0x2331 + 1), std::nullopt);
  EXPECT_EQ(pci_name_of(0xffff), std::nullopt);
  // The driver has a name for it, and the database none that we know.
  EXPECT_EQ(pci_name_of(0x31c2), std::nullopt);
}

}  // namespace
}  // namespace gpunode::device
