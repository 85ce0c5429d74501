#include "gpu/device/product.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::device {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(ComputeCapability, IsThatOfTheChip) {
  EXPECT_EQ(compute_capability_of(0x1b38), "6.1");   // Tesla P40
  EXPECT_EQ(compute_capability_of(0x1db6), "7.0");   // V100
  EXPECT_EQ(compute_capability_of(0x1eb8), "7.5");   // T4
  EXPECT_EQ(compute_capability_of(0x20b2), "8.0");   // A100
  EXPECT_EQ(compute_capability_of(0x2237), "8.6");   // A10G
  EXPECT_EQ(compute_capability_of(0x26b9), "8.9");   // L40S
  EXPECT_EQ(compute_capability_of(0x2330), "9.0");   // H100
  EXPECT_EQ(compute_capability_of(0x2901), "10.0");  // B200
  EXPECT_EQ(compute_capability_of(0x2b85), "12.0");  // RTX 5090
  EXPECT_EQ(compute_capability_of(0x3182), "10.3");  // B300
}

TEST(ComputeCapability, OfOtherFunctionsAndChipsIsUnknown) {
  EXPECT_EQ(compute_capability_of(0x22a3), "");  // H100's NVSwitch
  EXPECT_EQ(compute_capability_of(0x228b), "");  // a card's sound
  EXPECT_EQ(compute_capability_of(0x0000), "");
  EXPECT_EQ(compute_capability_of(0xffff), "");
}

TEST(Brands, AreAllThatDriversHaveCalledIt) {
  EXPECT_THAT(brands_of("Tesla T4"), ElementsAre("nvidia", "tesla"));
  EXPECT_THAT(brands_of("NVIDIA A10G"), ElementsAre("nvidia", "tesla"));
  EXPECT_THAT(brands_of("A100-SXM4-40GB"), ElementsAre("nvidia", "tesla"));
  EXPECT_THAT(brands_of("NVIDIA GeForce RTX 4090"), ElementsAre("geforce"));
  EXPECT_THAT(brands_of("Quadro RTX 4000"), ElementsAre("quadrortx", "quadro"));
  EXPECT_THAT(brands_of("NVIDIA RTX A6000"),
              ElementsAre("nvidiartx", "quadrortx", "quadro"));
  EXPECT_THAT(brands_of("NVIDIA TITAN RTX"), ElementsAre("titan"));
}

TEST(Brands, OfVirtualAndUnknownGpusAreUnknown) {
  for (const char* name : {"GRID T4-8Q", "NVIDIA A10-24Q", "NVIDIA A100-1-5C",
                           "", "NVIDIA ", "Unknown", "-", "Q"}) {
    EXPECT_THAT(brands_of(name), IsEmpty()) << name;
  }
}

}  // namespace
}  // namespace gpunode::device
