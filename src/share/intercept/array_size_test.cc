#include "share/intercept/array_size.h"

#include <gtest/gtest.h>

#include "share/intercept/account.h"

namespace gpunode::share {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;
constexpr auto kFloat = abi::CU_AD_FORMAT_FLOAT;
constexpr auto kByte = abi::CU_AD_FORMAT_UNSIGNED_INT8;

/// One row of what an H200 showed: so many of them together took `mib`.
struct Measured {
  std::size_t width, height, depth;
  abi::CUarray_format format;
  unsigned channels;
  unsigned flags;
  unsigned levels;
  unsigned count;
  std::uint64_t mib;
};

constexpr Measured kMeasured[] = {
    // NOLINT(*-avoid-c-arrays): of any size.
    {1000, 1000, 0, kFloat, 4, 0, 1, 1, 16},
    {1024, 1024, 0, kFloat, 4, 0, 1, 1, 16},
    {1024, 1025, 0, kFloat, 4, 0, 1, 1, 18},
    {1024, 1281, 0, kFloat, 4, 0, 1, 1, 22},
    {1, 1, 0, kByte, 1, 0, 1, 4096, 2},
    {16, 16, 0, kByte, 1, 0, 1, 4096, 4},
    {100, 100, 0, kFloat, 1, 0, 1, 200, 12},
    {1000, 130, 0, kFloat, 4, 0, 1, 16, 64},
    {1001, 1001, 0, kFloat, 4, 0, 1, 1, 16},
    {1001, 1001, 0, kByte, 1, 0, 1, 10, 10},
    {100000, 0, 0, kFloat, 4, 0, 1, 8, 112},
    {128, 128, 128, kFloat, 1, 0, 1, 1, 8},
    {100, 100, 100, kFloat, 1, 0, 1, 4, 24},
    {65, 65, 65, kFloat, 1, 0, 1, 20, 40},
    {512, 512, 5, kFloat, 4, abi::CUDA_ARRAY3D_LAYERED, 1, 1, 20},
    {500, 500, 5, kFloat, 4, abi::CUDA_ARRAY3D_LAYERED, 1, 1, 20},
    {256, 256, 6, kFloat, 4, abi::CUDA_ARRAY3D_CUBEMAP, 1, 1, 6},
    {33, 900, 0, kFloat, 1, 0, 1, 40, 8},
    {8192, 8192, 0, kFloat, 4, 0, 1, 1, 1024},
    {1024, 1024, 0, kFloat, 4, 0, 11, 1, 22},
    {1000, 1000, 0, kFloat, 4, 0, 10, 1, 22},
    {256, 256, 0, kFloat, 4, 0, 9, 8, 16},
    {128, 128, 128, kFloat, 1, 0, 8, 1, 10},
    {1024, 1024, 0, kFloat, 4, abi::CUDA_ARRAY3D_SPARSE, 1, 1, 0},
    {1024, 1024, 0, kFloat, 4, abi::CUDA_ARRAY3D_DEFERRED_MAPPING, 1, 1, 0},
};

TEST(ArraySize, IsWhatAnH200Took) {
  for (const Measured& row : kMeasured) {
    const abi::CUDA_ARRAY3D_DESCRIPTOR array = {
        row.width, row.height, row.depth, row.format, row.channels, row.flags};
    const std::uint64_t each = charged_bytes(array_bytes(array, row.levels));
    const std::uint64_t all = (row.count * each + 2 * kMiB - 1) / (2 * kMiB);
    EXPECT_EQ(2 * all, row.mib)
        << row.width << " x " << row.height << " x " << row.depth;
  }
}

TEST(ArraySize, FormatsOfEveryKindHaveTheirSize) {
  const auto bytes_of = [](int format, unsigned channels) {
    return array_bytes({1024, 1024, 0, static_cast<abi::CUarray_format>(format),
                        channels, 0},
                       1) /
           kMiB;
  };
  EXPECT_EQ(bytes_of(abi::CU_AD_FORMAT_HALF, 2), 4u);
  EXPECT_EQ(bytes_of(0xc2, 4), 4u) << "four channels of 8 bits";
  EXPECT_EQ(bytes_of(0xc3, 1), 2u) << "one channel of 16 bits";
  EXPECT_EQ(bytes_of(0xcb, 4), 8u) << "four channels of 16 bits";
  EXPECT_EQ(bytes_of(abi::CU_AD_FORMAT_BC7_UNORM_SRGB, 4), 1u);
  EXPECT_EQ(bytes_of(0x1234, 1), 16u) << "unknown: the most it can be";
}

TEST(ArraySize, NonsenseIsLeftToTheDriver) {
  const std::uint64_t all = ~std::uint64_t{0};
  EXPECT_EQ(array_bytes({all, all, all, kFloat, 4, 0}, 1), 0u);
  EXPECT_EQ(array_bytes({1, 1, 1, kFloat, ~0U, 0}, 1), 0u);
  EXPECT_EQ(array_bytes({1, 1, 1, kFloat, 5, 0}, 1), 0u);
  EXPECT_EQ(array_bytes({all >> 24, all >> 24, all >> 24, kFloat, 4, 0}, ~0U),
            0u);
  EXPECT_EQ(array_bytes({1 << 18, 1 << 18, 1 << 18, kFloat, 4, 0}, 1), 0u)
      << "2^58 bytes";
  EXPECT_GT(array_bytes({1 << 18, 1 << 18, 0, kFloat, 4, 0}, 1), 0u);
}

}  // namespace
}  // namespace gpunode::share
