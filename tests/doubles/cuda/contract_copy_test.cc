// Copies and fills of rows, between contexts and in batches.
#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "gpu/abi/cuda_copy.h"
#include "tests/doubles/cuda/contract_driver.h"

namespace gpunode::fake_cuda {
namespace {

using namespace abi;  // NOLINT(google-build-using-namespace): its own names.

/// Layers of rows, each a part of a longer one.
class RowCopy : public InContext {
 protected:
  void SetUp() override {
    InContext::SetUp();
    ASSERT_EQ(CU(cuMemAlloc_v2)(&a_, kBytes), CUDA_SUCCESS);
    ASSERT_EQ(CU(cuMemAlloc_v2)(&b_, kBytes), CUDA_SUCCESS);
    ASSERT_EQ(CU(cuMemsetD8_v2)(b_, 0xee, kBytes), CUDA_SUCCESS);
    for (std::size_t at = 0; at < kBytes; ++at) {
      in_[at] = static_cast<unsigned char>(at % 251);
    }
    ASSERT_EQ(CU(cuMemcpyHtoD_v2)(a_, in_.data(), kBytes), CUDA_SUCCESS);
  }
  std::vector<unsigned char> what_came() const {
    std::vector<unsigned char> out(kBytes);
    EXPECT_EQ(CU(cuCtxSynchronize)(), CUDA_SUCCESS);
    EXPECT_EQ(CU(cuMemcpyDtoH_v2)(out.data(), b_, kBytes), CUDA_SUCCESS);
    return out;
  }

  static constexpr std::size_t kPitch = 64;
  static constexpr std::size_t kLayer = 4;  ///< Rows.
  static constexpr std::size_t kBytes = kPitch * kLayer * 4;
  CUdeviceptr a_ = 0;
  CUdeviceptr b_ = 0;
  std::vector<unsigned char> in_ = std::vector<unsigned char>(kBytes);
};

TEST_F(RowCopy, RowsGoToTheirPlacesAndNowhereElse) {
  CUDA_MEMCPY2D copy = {};
  copy.srcMemoryType = CU_MEMORYTYPE_DEVICE;
  copy.srcDevice = a_;
  copy.srcPitch = kPitch;
  copy.srcXInBytes = 3;
  copy.srcY = 1;
  copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  copy.dstDevice = b_;
  copy.dstPitch = 2 * kPitch;
  copy.dstXInBytes = 8;
  copy.dstY = 2;
  copy.WidthInBytes = 16;
  copy.Height = 3;
  ASSERT_EQ(CU(cuMemcpy2DUnaligned_v2)(&copy), CUDA_SUCCESS);
  std::vector<unsigned char> expected(kBytes, 0xee);
  for (std::size_t row = 0; row < 3; ++row) {
    std::memcpy(&expected[(2 + row) * 2 * kPitch + 8],
                &in_[(1 + row) * kPitch + 3], 16);
  }
  EXPECT_EQ(what_came(), expected);
  copy.dstPitch = 15;
  EXPECT_EQ(CU(cuMemcpy2D_v2)(&copy), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(RowCopy, RowsOfTheHostGoToTheDevice) {
  CUDA_MEMCPY2D copy = {};
  copy.srcMemoryType = CU_MEMORYTYPE_HOST;
  copy.srcHost = in_.data();
  copy.srcPitch = 32;
  copy.dstMemoryType = CU_MEMORYTYPE_UNIFIED;
  copy.dstDevice = b_;
  copy.dstPitch = kPitch;
  copy.WidthInBytes = 32;
  copy.Height = 2;
  ASSERT_EQ(CU(cuMemcpy2DAsync_v2)(&copy, nullptr), CUDA_SUCCESS);
  std::vector<unsigned char> expected(kBytes, 0xee);
  std::memcpy(expected.data(), in_.data(), 32);
  std::memcpy(&expected[kPitch], &in_[32], 32);
  EXPECT_EQ(what_came(), expected);
}

/// Two layers of two rows.
template <typename Copy>
Copy two_layers(CUdeviceptr to, CUdeviceptr from, std::size_t pitch,
                std::size_t layer) {
  Copy copy = {};
  copy.srcMemoryType = CU_MEMORYTYPE_DEVICE;
  copy.srcDevice = from;
  copy.srcPitch = pitch;
  copy.srcHeight = layer;
  copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  copy.dstDevice = to;
  copy.dstPitch = pitch;
  copy.dstHeight = layer;
  copy.dstY = 1;
  copy.dstZ = 2;
  copy.WidthInBytes = 8;
  copy.Height = 2;
  copy.Depth = 2;
  return copy;
}

TEST_F(RowCopy, LayersGoToTheirPlacesAndNowhereElse) {
  std::vector<unsigned char> expected(kBytes, 0xee);
  for (std::size_t layer = 0; layer < 2; ++layer) {
    for (std::size_t row = 0; row < 2; ++row) {
      std::memcpy(&expected[((2 + layer) * kLayer + 1 + row) * kPitch],
                  &in_[(layer * kLayer + row) * kPitch], 8);
    }
  }
  const auto copy = two_layers<CUDA_MEMCPY3D>(b_, a_, kPitch, kLayer);
  ASSERT_EQ(CU(cuMemcpy3D_v2)(&copy), CUDA_SUCCESS);
  EXPECT_EQ(what_came(), expected);
  ASSERT_EQ(CU(cuMemsetD8_v2)(b_, 0xee, kBytes), CUDA_SUCCESS);
  auto peer = two_layers<CUDA_MEMCPY3D_PEER>(b_, a_, kPitch, kLayer);
  peer.srcContext = context_;
  peer.dstContext = context_;
  ASSERT_EQ(CU(cuMemcpy3DPeer)(&peer), CUDA_SUCCESS);
  EXPECT_EQ(what_came(), expected);
}

TEST_F(RowCopy, ContextsGiveToEachOther) {
  ASSERT_EQ(CU(cuMemcpyPeer)(b_, context_, a_, context_, kBytes), CUDA_SUCCESS);
  EXPECT_EQ(what_came(), in_);
}

TEST_F(RowCopy, FillsOfRowsLeaveWhatIsBetween) {
  ASSERT_EQ(CU(cuMemsetD2D16_v2)(b_ + kPitch, kPitch, 0x1234, 3, 2),
            CUDA_SUCCESS);
  std::vector<unsigned char> expected(kBytes, 0xee);
  for (const std::size_t row : {std::size_t{1}, std::size_t{2}}) {
    for (std::size_t at = 0; at < 6; ++at) {
      expected[row * kPitch + at] = at % 2 == 0 ? 0x34 : 0x12;
    }
  }
  EXPECT_EQ(what_came(), expected);
}

TEST_F(RowCopy, BatchesGoWhereTheDriverKnowsThem) {
  const auto first = CU(cuMemcpyBatchAsync);
  const auto second = CU(cuMemcpyBatchAsync_v2);
  if (first == nullptr && second == nullptr) GTEST_SKIP() << "before 12.8";
  CUstream stream = nullptr;
  ASSERT_EQ(CU(cuStreamCreate)(&stream, 0), CUDA_SUCCESS);
  std::array<CUdeviceptr, 2> to = {b_, b_ + 128};
  std::array<CUdeviceptr, 2> from = {a_ + 64, a_};
  std::array<std::size_t, 2> bytes = {16, 32};
  constexpr int kInOrderOfTheStream = 1;
  CUmemcpyAttributes attributes = {kInOrderOfTheStream, {}, {}, 0};
  std::size_t begins = 0;
  std::size_t failed = 0;
  std::vector<unsigned char> expected(kBytes, 0xee);
  std::memcpy(expected.data(), &in_[64], 16);
  std::memcpy(&expected[128], in_.data(), 32);
  if (first != nullptr) {
    ASSERT_EQ(first(to.data(), from.data(), bytes.data(), 2, &attributes,
                    &begins, 1, &failed, stream),
              CUDA_SUCCESS);
    EXPECT_EQ(what_came(), expected);
  }
  ASSERT_EQ(CU(cuMemsetD8_v2)(b_, 0xee, kBytes), CUDA_SUCCESS);
  if (second != nullptr) {
    ASSERT_EQ(second(to.data(), from.data(), bytes.data(), 2, &attributes,
                     &begins, 1, stream),
              CUDA_SUCCESS);
    EXPECT_EQ(what_came(), expected);
  }
  EXPECT_EQ(CU(cuStreamDestroy_v2)(stream), CUDA_SUCCESS);
}

}  // namespace
}  // namespace gpunode::fake_cuda
